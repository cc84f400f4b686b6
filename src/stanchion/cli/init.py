"""`stanchion init`: a project of one's own, in a new folder."""

import os
import shlex
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from stanchion.cli.failure import Failure
from stanchion.scaffold import Installation, Origin, Project, ScaffoldError
from stanchion.secret import new_key


class Engine(StrEnum):
    """The databases that a project can begin with."""

    sqlite = "sqlite"
    postgresql = "postgresql"


def init(
    name: Annotated[
        str,
        typer.Argument(
            help="The folder to make, or '.'; the project is named like it. Those above it are made too."
        ),
    ],
    database: Annotated[Engine, typer.Option(help="The database of its .env.")] = Engine.sqlite,
) -> None:
    """Make a new backend: a Todo API with users, keys, migrations and tests, ready to run."""
    origin = Origin.installed()
    try:
        project = Project.plan(name, database=database.value, origin=origin)
        missing = project.missing
        project.create(api_key=new_key())
    except ScaffoldError as exc:
        raise Failure(str(exc)) from exc
    if missing:
        typer.echo(f"There was no folder {missing[-1]}: it is made, too.")
    here = Installation.running()
    steps = _steps(project, here)
    whole = "" if steps is None else " This environment has all that it needs."
    typer.echo(f"{project.name} is made, with its first API_KEY in .env.{whole} Next:\n")
    for line in _next_lines(project, name, [_install_line(origin, here)] if steps is None else steps):
        typer.echo(f"    {line}")
    typer.echo("\n`pytest` runs its tests.")
    if origin.url.startswith("file:"):
        typer.echo(
            f"\nIt takes Stanchion from {origin.url}: where that is not, "
            "name another in pyproject.toml and requirements.txt."
        )


def _next_lines(project: Project, typed: str, steps: list[str]) -> list[str]:
    lines = []
    if project.folder != Path.cwd():
        lines.append(f"cd {shlex.quote(typed)}")
    lines += steps
    if project.database_url.startswith("postgresql:"):
        lines.append(f"createdb -h localhost {project.name}")
    lines.append("stanchion dev")
    return lines


def _steps(project: Project, here: Installation) -> list[str] | None:
    """Return how to come to use this environment; None where the project needs what it has not."""
    if not here.is_whole:
        return None
    if here.is_on_path:
        return []
    activation = here.activation(project.folder)
    return [activation] if activation else None


def _install_line(origin: Origin, here: Installation) -> str:
    """Return how to install the project: where `stanchion` runs if that is the active environment.

    pip would replace an editable Stanchion by a copy: whoever works on Stanchion gets a new environment.
    """
    install = 'pip install -e ".[dev]"'
    if here.takes_packages and not origin.editable:
        return install
    activate = r".venv\Scripts\activate" if os.name == "nt" else ". .venv/bin/activate"
    return f"python3 -m venv .venv && {activate} && {install}"
