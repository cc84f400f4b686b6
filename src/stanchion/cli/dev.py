"""`stanchion dev`: everything that a backend needs to be looked at, then the server, with reload."""

import shlex
from pathlib import Path
from typing import Annotated

import typer

from stanchion.cli.environment import Environment
from stanchion.cli.failure import Failure
from stanchion.cli.options import AppDir, Host, Port, require_app

_TODO = '{"title": "Buy milk"}'


def dev(
    host: Host = None,
    port: Port = None,
    app_dir: AppDir = Path(),
    no_reload: Annotated[bool, typer.Option("--no-reload", help="Serve without watching the files.")] = False,
) -> None:
    """Serve the backend on this machine, with reload.

    Writes .env with a database and a first API key where there is none, and brings the
    database's schema up to date.
    """
    directory = require_app(app_dir)
    environment = Environment()
    written = environment.complete()
    url = environment.database_url()
    address = environment.address(host, port)

    # Nothing here may import FastAPI or SQLAlchemy: each start would pay for them twice.
    from stanchion.cli import server

    with server.listen(*address, command="dev") as listener:
        if written:
            typer.echo(f"Wrote {', '.join(written)} to .env.")
        for label in _migrated(url, directory):
            typer.echo(f"Migrated: {label}.")

        def announce() -> None:
            _announce(server.base_url(address[0], listener), environment.get("API_KEY") or "")

        if no_reload:
            announce()
            server.serve(directory, listener, timeout_graceful_shutdown=2, proxy_headers=False)
        else:
            server.serve_reloading(directory, listener, announce)


def _migrated(url: str, app_dir: Path) -> list[str]:
    from stanchion.database.schema import Status, state

    current = state(url, app_dir)
    if current.status is Status.current:
        return []
    if current.status is Status.ahead:
        raise Failure(current.advice)
    from stanchion.database.migrations import upgrade

    return upgrade(url, app_dir)


def _announce(base: str, key: str) -> None:
    from rich.console import Console

    console = Console(highlight=False, soft_wrap=True)
    console.print(f"Serving [bold]{base}[/bold]")
    console.print(f"Docs    [bold]{base}/docs[/bold]")
    todos = shlex.quote(f"{base}/api/todos")
    header = f"-H {shlex.quote(f'X-API-Key: {key}')}"
    # Plain: a line that is coloured or wrapped cannot be pasted.
    typer.echo(f"\ncurl -X POST {todos} {header} -H 'Content-Type: application/json' -d '{_TODO}'")
    typer.echo(f"curl {todos} {header}\n")
