"""`stanchion run`: the server, for production."""

import importlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stanchion.cli.environment import Environment
from stanchion.cli.failure import Failure
from stanchion.cli.options import AppDir, Embedded, Host, Port, require_app

if TYPE_CHECKING:
    from stanchion.settings import Settings


def run(
    host: Host = None,
    port: Port = None,
    workers: Annotated[int, typer.Option(min=1, max=512, help="How many processes serve.")] = 1,
    app_dir: AppDir = Path(),
    worker: Embedded = True,
    proxy_headers: Annotated[
        bool,
        typer.Option("--proxy-headers", help="Believe X-Forwarded-For and X-Forwarded-Proto of a proxy."),
    ] = False,
    forwarded_allow_ips: Annotated[
        str | None,
        typer.Option(
            metavar="IPS", help="The proxies to believe, with commas, or *. [default: 127.0.0.1,::1]"
        ),
    ] = None,
) -> None:
    """Serve the backend in production.

    Writes nothing: the settings must be there, and the schema current.
    """
    if forwarded_allow_ips is not None and not proxy_headers:
        raise typer.BadParameter(
            "it means nothing without --proxy-headers.", param_hint="--forwarded-allow-ips"
        )
    directory = require_app(app_dir)
    environment = Environment()
    address = environment.address(host, port)
    environment.embed_worker(worker)
    settings = settle(directory)

    import structlog

    from stanchion.cli import server
    from stanchion.database.schema import state

    current = state(environment.database_url(), directory)
    if current.advice:
        raise Failure(current.advice)
    log = structlog.stdlib.get_logger("stanchion")
    with server.listen(*address, command="run") as listener:
        log.info("serving", url=server.base_url(address[0], listener), workers=workers)
        if settings.ENVIRONMENT != "production":
            log.warning(
                "not_production", environment=settings.ENVIRONMENT, advice="set ENVIRONMENT=production"
            )
        server.serve(
            directory,
            listener,
            workers=workers,
            timeout_graceful_shutdown=10,
            proxy_headers=proxy_headers,
            forwarded_allow_ips=forwarded_allow_ips or "127.0.0.1,::1",
        )


def settle(app_dir: Path) -> "Settings":
    """Check the settings before there are workers to fail by them, and log as they will.

    Raises SettingsError, from the app's own settings where it has some.
    """
    from stanchion import logging
    from stanchion.settings import Settings

    settings = Settings.load()
    logging.configure(format=settings.LOG_FORMAT, level=settings.LOG_LEVEL)
    if (app_dir / "settings.py").is_file():
        sys.path.insert(0, str(app_dir))
        importlib.import_module("settings")
    return settings
