"""Serves the loaded app over HTTP on loopback, in the main thread."""

import asyncio
import socket
import sys
import threading
import time
from concurrent.futures import Future, wait
from typing import Any

from . import first, guard, loading, recording

_PATIENCE = 30.0
_running: list[tuple[Any, "Future[Any]"]] = []


class NotStarted(Exception):  # noqa: N818 (it says what is the matter)
    """The app does not start."""


def serve(fallback: str) -> dict[str, Any]:
    """Start the app under uvicorn, the project's own or the one in `fallback`; return its port.

    Raises NotStarted, with the reason.
    """
    try:
        import uvicorn
    except ImportError:
        sys.path.append(fallback)
        import uvicorn
    recording.install()
    listener = socket.create_server(("127.0.0.1", 0))
    options: dict[str, Any] = {
        "log_config": None,
        "access_log": False,
        "timeout_graceful_shutdown": 1,
        "loop": "asyncio",  # uvloop connects where the guard sees nothing
    }
    recorder = recording.Recorder(loading.loaded["app"])
    server = uvicorn.Server(uvicorn.Config(recorder, **options))
    failure: list[str] = []

    def run() -> None:
        try:
            server.run(sockets=[listener])
        except BaseException as exc:
            failure.append(loading.sentence(exc))

    served = first.do(run)
    deadline = time.monotonic() + _PATIENCE
    while not server.started and not served.done() and time.monotonic() < deadline:
        time.sleep(0.01)
    if not server.started:
        held = recording.held_by(threading.main_thread().ident or 0)
        place = f" ({held['file']}, line {held['line']})" if held["file"] else ""
        waited = f"it has not finished starting after {_PATIENCE:.0f} s{place}"
        raise NotStarted(recorder.failure or (failure[0] if failure else waited))
    _running.append((server, served))
    guard.started()
    recording.watch_loop(loop(), threading.main_thread().ident or 0)
    return {"port": listener.getsockname()[1]}


def loop() -> asyncio.AbstractEventLoop:
    """Return the event loop of the running app."""
    found: asyncio.AbstractEventLoop = _running[-1][0].servers[0].get_loop()
    return found


def stop() -> None:
    """Let the app end as it does in production: its lifespan closes what it opened."""
    for server, served in _running:
        server.should_exit = True
        wait([served], 2)
