"""`stanchion skill`: what coding assistants, and people, read before they work on a backend."""

from pathlib import Path
from typing import Annotated

import typer

from stanchion.cli.failure import Failure
from stanchion.scaffold import ScaffoldError
from stanchion.scaffold import skill as folder

skill = typer.Typer(
    no_args_is_help=True, rich_markup_mode=None, help="The skill for coding assistants, and where it is."
)


@skill.command()
def install(
    path: Annotated[Path, typer.Option(help="The project's folder.")] = Path(),
    claude: Annotated[
        bool | None,
        typer.Option(
            "--claude/--no-claude", help="Into .claude/skills too. [default: where .claude is there]"
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Take the package's files over your edits.")] = False,
) -> None:
    """Put the skill into a project, in .agents/skills/stanchion: commit it.

    Run it again after an upgrade of Stanchion. What you have changed stays, unless --force.
    """
    wanted = (path / ".claude").is_dir() if claude is None else claude
    try:
        done = folder.install(path, claude=wanted, force=force)
    except ScaffoldError as exc:
        raise Failure(str(exc)) from exc
    for one in done:
        where = one.path.relative_to(path)
        yours = ": yours; --force takes the package's" if one.outcome is folder.Outcome.kept else ""
        typer.echo(f"{one.outcome:<8} {where}{yours}")
    if not any(one.outcome is not folder.Outcome.kept for one in done):
        typer.echo(f"{path / folder.AGENTS} is up to date.")


@skill.command()
def path() -> None:
    """Print the folder of the skill in the package."""
    typer.echo(folder.SKILL)
