"""Uvicorn, as the command runs it: on a socket that is bound first, so that a taken port is a sentence."""

import errno
import multiprocessing
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from uvicorn import Config, Server
from uvicorn.config import STARTUP_FAILURE
from uvicorn.supervisors import Multiprocess
from uvicorn.supervisors.basereload import HANDLED_SIGNALS
from uvicorn.supervisors.watchfilesreload import WatchFilesReload
from watchfiles import watch

from stanchion.cli.failure import Failure
from stanchion.cli.process import REFUSED, AppConfig

_WILDCARDS = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - what a person may write, to be printed


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


def serve_reloading(app_dir: Path, listener: socket.socket, announcement: str) -> None:
    """Serve `main:app`, again after each change, until Ctrl-C; exits with 1 where its settings are wrong."""
    config = _config(
        app_dir,
        reload=True,
        reload_dirs=sorted({str(app_dir), str(Path.cwd())}),
        reload_includes=[".env"],
        timeout_graceful_shutdown=2,
        proxy_headers=False,
        announcement=announcement,
    )
    config.compared = app_dir
    supervisor = _Reload(config, Server(config).run, [listener])
    supervisor.run()
    if supervisor.refused:
        sys.exit(1)


def serve(app_dir: Path, listener: socket.socket, *, workers: int = 1, **options: Any) -> None:
    """Serve `main:app` until a signal, in this process or with a supervisor over several."""
    config = _config(app_dir, workers=workers, **options)
    if workers == 1:
        _run(config, [listener])
        return
    supervisor = Multiprocess(config, sockets=[listener])
    supervisor.run()
    if any(process.exitcode == STARTUP_FAILURE for process in supervisor.processes):
        sys.exit(1)


def _run(config: Config, sockets: list[socket.socket]) -> None:
    with suppress(KeyboardInterrupt):  # raised once the server has ended, in good order
        Server(config).run(sockets)


def _config(app_dir: Path, *, announcement: str = "", **options: Any) -> AppConfig:
    # The processes that are started inherit it.
    sys.path.insert(0, str(app_dir))
    config = AppConfig("main:app", loop="auto", http="auto", log_config=None, access_log=False, **options)
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


def _environments(directories: list[Path]) -> list[Path]:
    """Return the virtual environments that lie in these directories (PEP 405)."""
    return [marker.parent for directory in directories for marker in directory.glob("*/pyvenv.cfg")]


class _Reload(WatchFilesReload):
    """Uvicorn's reloader, which ends when the first server is refused its settings.

    Later ones it survives: the person is editing, and the next change starts another.
    """

    config: AppConfig

    def __init__(
        self,
        config: AppConfig,
        target: Callable[[list[socket.socket] | None], None],
        sockets: list[socket.socket],
    ) -> None:
        super().__init__(config, target, sockets)
        # A `pip install` beside it is no change of the backend.
        self.watch_filter.exclude_dirs += _environments(config.reload_dirs)
        self.refused = False
        self.watcher = watch(
            *self.reload_dirs,
            watch_filter=None,
            stop_event=self.should_exit,
            rust_timeout=50,
            yield_on_timeout=True,
            ignore_permission_denied=True,
        )

    def startup(self) -> None:
        if sys.platform == "linux" and threading.active_count() == 1:
            self._fork()
        else:
            super().startup()
        next(self.watcher, None)  # it watches from now on, while the server loads
        threading.Thread(target=self._watch_first, args=(self.process,), daemon=True).start()

    def restart(self) -> None:
        if self.process.is_alive():  # it was loaded, and announced
            self.config.announcement = ""
        super().restart()

    def _fork(self) -> None:
        """Start the first server as a copy of this process, which has loaded a fifth of what it needs.

        Not the later ones: by then a thread watches the files, and a process with threads must not be copied.
        """
        first: Any = multiprocessing.get_context("fork").Process(
            target=_run, args=(self.config, self.sockets)
        )
        first.start()
        self.process = first
        # After the copy was made, which must not be deaf to these while it loads.
        for number in HANDLED_SIGNALS:
            signal.signal(number, self.signal_handler)

    def _watch_first(self, first: Any) -> None:
        first.join()
        if self.process is first and first.exitcode == REFUSED:
            self.refused = True
            self.should_exit.set()
