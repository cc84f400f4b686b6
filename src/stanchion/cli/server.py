"""Uvicorn, as the command runs it: on a socket that is bound first, with this library's refusals."""

import errno
import socket
import sys
import threading
import traceback
from collections.abc import Callable
from functools import partial
from multiprocessing.connection import wait
from pathlib import Path
from typing import Any

import uvicorn
from uvicorn.config import STARTUP_FAILURE
from uvicorn.supervisors import Multiprocess
from uvicorn.supervisors.watchfilesreload import WatchFilesReload

from stanchion.cli.failure import Failure, is_explained

_REFUSED = 78
"""The exit status of a server whose settings are wrong: EX_CONFIG of sysexits.h."""


def listen(host: str, port: int, *, command: str) -> socket.socket:
    """Bind the port. Raises Failure where it is taken, or the address is not this machine's."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError) as exc:
        raise Failure(f"HOST {host!r} is no address: try `stanchion {command} --host 127.0.0.1`.") from exc
    # A name such as localhost has two addresses; IPv4 is what everything speaks.
    family, kind, protocol, _, address = min(found, key=lambda info: info[0] != socket.AF_INET)
    listener = socket.socket(family, kind, protocol)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(address)
    except OSError as exc:
        listener.close()
        raise Failure(_not_bound(exc, host, port, command)) from exc
    listener.set_inheritable(True)
    return listener


def _not_bound(exc: OSError, host: str, port: int, command: str) -> str:
    other = port + 1 if port < 65535 else 8000
    if exc.errno == errno.EADDRINUSE:
        return f"Port {port} is taken: try `stanchion {command} --port {other}`."
    if exc.errno == errno.EACCES:
        return f"Port {port} is only for the administrator: try `stanchion {command} --port 8000`."
    return f"{host} is no address of this machine ({exc.strerror}): try `stanchion {command} --host 127.0.0.1`."


def base_url(host: str, listener: socket.socket) -> str:
    """Return the URL under which a browser on this machine reaches the listener."""
    return f"http://{f'[{host}]' if ':' in host else host}:{listener.getsockname()[1]}"


def serve_reloading(app_dir: Path, listener: socket.socket, announce: Callable[[], None], *, reload: bool) -> None:
    """Serve `main:app` for development until Ctrl-C; exits with 1 where the settings are refused."""
    directories = sorted({str(app_dir), str(Path.cwd())})
    options = {"reload": True, "reload_dirs": directories, "reload_includes": [".env"]} if reload else {}
    config = _config(app_dir, timeout_graceful_shutdown=2, proxy_headers=False, **options)
    if not reload:
        announce()
        _serve(config, _REFUSED, [listener])
        return
    supervisor = _Reload(config, partial(_serve, config, _REFUSED), [listener], announce)
    supervisor.run()
    if supervisor.refused:
        sys.exit(1)


def serve(app_dir: Path, listener: socket.socket, *, workers: int, **options: Any) -> None:
    """Serve `main:app` until a signal, in this process or with a supervisor over several."""
    config = _config(app_dir, workers=workers, timeout_graceful_shutdown=10, **options)
    if workers == 1:
        _serve(config, STARTUP_FAILURE, [listener])
        return
    supervisor = Multiprocess(config, sockets=[listener])
    supervisor.run()
    if any(process.exitcode == STARTUP_FAILURE for process in supervisor.processes):
        sys.exit(1)


def _config(app_dir: Path, **options: Any) -> uvicorn.Config:
    # The processes that are started inherit it.
    sys.path.insert(0, str(app_dir))
    return uvicorn.Config("main:app", loop="auto", http="auto", log_config=None, access_log=False, **options)


def _serve(config: uvicorn.Config, refused: int, sockets: list[socket.socket]) -> None:
    """Run the server; a refusal is a sentence, and a failure of the app's own code its traceback."""
    server = uvicorn.Server(config)
    try:
        server.run(sockets=sockets)
    except KeyboardInterrupt:
        pass  # it has ended already, in good order
    except Exception as exc:
        if server.started:
            raise
        if is_explained(exc):
            sys.stderr.write(f"{exc}\n")
            sys.exit(refused)
        traceback.print_exc()
        sys.exit(STARTUP_FAILURE)


class _Reload(WatchFilesReload):
    """Uvicorn's reloader, which ends when the first server is refused its settings.

    Later ones it survives: the person is editing, and the next change starts another.
    """

    def __init__(self, config: uvicorn.Config, target: Any, sockets: list[Any], announce: Callable[[], None]) -> None:
        super().__init__(config, target, sockets)
        self._announce = announce
        self.refused = False

    def startup(self) -> None:
        super().startup()
        # While the server loads, which takes longer.
        threading.Thread(target=self._watch_first, args=(self.process,), daemon=True).start()
        self._announce()

    def _watch_first(self, first: Any) -> None:
        wait([first.sentinel])
        if self.process is first and first.exitcode == _REFUSED:
            self.refused = True
            self.should_exit.set()
