"""`stanchion migrate`: brings a database to the newest schema, checks it, writes the next revision."""

from pathlib import Path
from typing import Annotated

import typer

from stanchion.cli.environment import Environment
from stanchion.cli.failure import Failure
from stanchion.cli.options import AppDir, require_schema

migrate = typer.Typer(invoke_without_command=True, rich_markup_mode=None)


@migrate.callback()
def upgrade(
    context: typer.Context,
    check: Annotated[bool, typer.Option("--check", help="Change nothing: list what differs.")] = False,
    app_dir: AppDir = Path(),
) -> None:
    """Bring the database's schema up to date."""
    context.obj = app_dir
    if context.invoked_subcommand is not None:
        if check:
            raise typer.BadParameter("it goes with no other command.", param_hint="--check")
        return
    app_dir = require_schema(app_dir)
    url = Environment().database_url()
    if check:
        _check(url, app_dir)
        return
    from stanchion.database import migrations

    ran = migrations.upgrade(url, app_dir)
    for label in ran:
        typer.echo(f"Migrated: {label}.")
    if not ran:
        typer.echo("Every revision has run: `stanchion migrate --check` compares the models.")


@migrate.command()
def new(
    context: typer.Context,
    message: Annotated[str, typer.Argument(help="What changes, in a few words: it names the file.")],
    empty: Annotated[
        bool, typer.Option("--empty", help="Write one that does nothing yet: to fill rows by hand.")
    ] = False,
    app_dir: Annotated[
        Path | None, typer.Option("--app-dir", metavar="DIR", help="The app's directory.")
    ] = None,
) -> None:
    """Write the revision that brings the database to the models."""
    url = Environment().database_url()
    from stanchion.database import migrations

    path = migrations.revision(url, require_schema(app_dir or context.obj), message, empty=empty)
    if path is None:
        typer.echo("Nothing has changed: the database has what models.py says. No file was written.")
        return
    typer.echo(f"Wrote {_short(path)}: read it, then run `stanchion migrate`.")


def differing(url: str, app_dir: Path) -> tuple[list[str], str]:
    """Return what stands between the models and the database, and what to do about it."""
    from stanchion.database import migrations
    from stanchion.database.schema import state

    differences = migrations.check(url, app_dir)
    return differences, (
        state(url, app_dir).advice
        or 'The models and the schema differ: run `stanchion migrate new "what changed"`.'
    )


def _check(url: str, app_dir: Path) -> None:
    differences, advice = differing(url, app_dir)
    for line in differences:
        typer.echo(f"- {line}")
    if differences:
        raise Failure(advice)
    typer.echo("The schema is current, and the models agree with it.")


def _short(path: Path) -> Path:
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
