"""`stanchion dev`: everything that a backend needs to be looked at, then the server, with reload."""

import shlex
from pathlib import Path
from typing import Annotated

import typer

from stanchion.cli.environment import Environment
from stanchion.cli.failure import Failure
from stanchion.cli.options import AppDir, Embedded, Host, Port, require_app

_TODO = '{"title": "Buy milk"}'


def dev(
    host: Host = None,
    port: Port = None,
    app_dir: AppDir = Path(),
    worker: Embedded = True,
    no_reload: Annotated[bool, typer.Option("--no-reload", help="Serve without watching the files.")] = False,
) -> None:
    """Serve the backend on this machine, with reload.

    Writes .env with a database and a first API key where there is none, and brings the
    database's schema up to date.
    """
    directory = require_app(app_dir)
    environment = Environment()
    if environment.get("ENVIRONMENT") == "production":
        raise Failure(
            "ENVIRONMENT is production: serve it with `stanchion run`, or set ENVIRONMENT=development."
        )
    environment.embed_worker(worker, grace=2)
    written = environment.complete()
    url = environment.database_url()
    address = environment.address(host, port)

    # Nothing here may import FastAPI or SQLAlchemy: each start would pay for them twice.
    from stanchion.cli import reload, server

    with server.listen(*address, command="dev") as listener:
        if written:
            typer.echo(f"Wrote {', '.join(written)} to .env.")
        for label in _migrated(url, directory):
            typer.echo(f"Migrated: {label}.")
        said = _announcement(server.base_url(address[0], listener), environment.get("API_KEY") or "")
        if no_reload:
            server.serve(
                directory, listener, timeout_graceful_shutdown=2, proxy_headers=False, announcement=said
            )
        else:
            reload.serve(directory, listener, said)


def _migrated(url: str, app_dir: Path) -> list[str]:
    from stanchion.database.schema import Status, state

    current = state(url, app_dir)
    if current.status is Status.current:
        return []
    if current.status is Status.ahead:
        raise Failure(current.advice)
    from stanchion.database.migrations import upgrade

    return upgrade(url, app_dir)


def _announcement(base: str, key: str) -> str:
    todos = shlex.quote(f"{base}/api/todos")
    header = f"-H {shlex.quote(f'X-API-Key: {key}')}"
    # The lines with curl are plain: coloured or wrapped they could not be pasted.
    return (
        f"Serving {typer.style(base, bold=True)}\n"
        f"Docs    {typer.style(f'{base}/docs', bold=True)}\n\n"
        f"curl -X POST {todos} {header} -H 'Content-Type: application/json' -d '{_TODO}'\n"
        f"curl {todos} {header}\n"
    )
