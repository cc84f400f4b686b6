"""Options that several commands share."""

from pathlib import Path
from typing import Annotated

import typer

from stanchion.cli.failure import Failure

AppDir = Annotated[
    Path,
    typer.Option(
        "--app-dir",
        metavar="DIR",
        help="The directory that holds main.py; .env is read from the current one.",
    ),
]
Host = Annotated[str | None, typer.Option(help="The address to listen on. [default: HOST, or 127.0.0.1]")]
Port = Annotated[
    int | None,
    typer.Option(min=0, max=65535, help="The port to listen on, 0 for any. [default: PORT, or 8000]"),
]
Embedded = Annotated[
    bool, typer.Option("--worker/--no-worker", help="Run the background jobs in the server's processes too.")
]


def require_schema(app_dir: Path) -> Path:
    """Return the app's directory, absolute. Raises Failure unless it holds models or migrations."""
    directory = app_dir.absolute()
    if not any((directory / name).exists() for name in ("main.py", "models.py", "migrations")):
        raise Failure(
            f"There is no backend in {directory}: go where its models.py is, or name it with --app-dir."
        )
    return directory


def require_app(app_dir: Path) -> Path:
    """Return the app's directory, absolute. Raises Failure unless it holds a main.py."""
    directory = app_dir.absolute()
    if not (directory / "main.py").is_file():
        raise Failure(
            f"There is no main.py in {directory}: go where your backend is, or name it with --app-dir."
        )
    return directory
