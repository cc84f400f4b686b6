"""Uvicorn, as the command runs it: on a socket that is bound first, so that a taken port is a sentence."""

import errno
import os
import socket
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

from uvicorn import Config, Server
from uvicorn.config import STARTUP_FAILURE
from uvicorn.supervisors import Multiprocess

from stanchion.cli.failure import Failure
from stanchion.cli.process import AppConfig

_WILDCARDS = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - what a person may write, to be printed


_PROTOCOL = "stanchion.cli.protocol:Protocol"
"""By its name: only a process that serves loads it."""
_SCRIPT = "STANCHION_STARTED_BY"
"""A script that hands over to the command sets it to what the person has typed."""


def listen(host: str, port: int, *, command: str) -> socket.socket:
    """Bind the port and listen on it. Raises Failure where it is taken, or the address not ours."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError) as exc:
        raise Failure(f"HOST {host!r} is no address: try {_again(command, HOST='127.0.0.1')}.") from exc
    # A name such as localhost has two addresses; IPv4 is what everything speaks.
    family, kind, protocol, _, address = min(found, key=lambda info: info[0] != socket.AF_INET)
    listener = socket.socket(family, kind, protocol)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(address)
        listener.listen(2048)  # SO_REUSEADDR lets two bind; only one can listen
    except OSError as exc:
        listener.close()
        raise Failure(_not_bound(exc, host, port, command)) from exc
    listener.set_inheritable(True)
    return listener


def base_url(host: str, listener: socket.socket) -> str:
    """Return the URL under which a browser on this machine reaches the listener."""
    host = _WILDCARDS.get(host, host)
    return f"http://{f'[{host}]' if ':' in host else host}:{listener.getsockname()[1]}"


def serve(app_dir: Path, listener: socket.socket, *, workers: int = 1, **options: Any) -> None:
    """Serve `main:app` until a signal, in this process or with a supervisor over several."""
    config = configured(app_dir, workers=workers, **options)
    if workers == 1:
        run(config, [listener])
        return
    supervisor = Multiprocess(config, sockets=[listener])
    supervisor.run()
    if any(process.exitcode == STARTUP_FAILURE for process in supervisor.processes):
        sys.exit(1)


def run(config: Config, sockets: list[socket.socket]) -> None:
    """Serve in this process, until a signal."""
    with suppress(KeyboardInterrupt):  # raised once the server has ended, in good order
        Server(config).run(sockets)


def configured(app_dir: Path, *, announcement: str = "", **options: Any) -> AppConfig:
    """Return how `main:app` is served."""
    # The processes that are started inherit it.
    sys.path.insert(0, str(app_dir))
    config = AppConfig(
        "main:app",
        loop="auto",
        http=_PROTOCOL,
        log_config=None,
        access_log=False,
        server_header=False,  # it tells those who look for a known hole where to try (RFC 9110, 10.2.4)
        **options,
    )
    config.announcement = announcement
    return config


def _again(command: str, **settings: object) -> str:
    """Return what to type instead: the command with its options, or its script with its variables."""
    script = os.environ.get(_SCRIPT)
    if script:
        return f"`{' '.join(f'{name}={value}' for name, value in settings.items())} {script}`"
    options = " ".join(f"--{name.lower()} {value}" for name, value in settings.items())
    return f"`stanchion {command} {options}`"


def _not_bound(exc: OSError, host: str, port: int, command: str) -> str:
    other = port + 1 if port < 65535 else 8000
    if exc.errno == errno.EADDRINUSE:
        return f"Port {port} is taken: try {_again(command, PORT=other)}."
    if exc.errno == errno.EACCES:
        return f"Port {port} is only for the administrator: try {_again(command, PORT=8000)}."
    reason = f"{host} is no address of this machine ({exc.strerror})"
    return f"{reason}: try {_again(command, HOST='127.0.0.1')}."
