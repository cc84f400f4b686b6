"""The Typer app: what there is to type. A command is a function in a file of its own name."""

from typing import Annotated

import typer

import stanchion
from stanchion.cli.add import add
from stanchion.cli.check import check
from stanchion.cli.dev import dev
from stanchion.cli.init import init
from stanchion.cli.jobs import jobs
from stanchion.cli.keys import keys
from stanchion.cli.migrate import migrate
from stanchion.cli.run import run
from stanchion.cli.skill import skill
from stanchion.cli.worker import worker

app = typer.Typer(
    name="stanchion",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command()(init)
app.command()(add)
app.command()(dev)
app.command()(run)
app.command()(worker)
app.command()(check)
app.add_typer(migrate, name="migrate")
app.add_typer(keys, name="keys")
app.add_typer(jobs, name="jobs")
app.add_typer(skill, name="skill")


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"stanchion {stanchion.__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Makes FastAPI backends safe to ship."""
