"""The main thread, where the app is imported and served, as by its own server.

What an app opens in one thread may work in no other: a connection of sqlite3, a context variable.
"""

import os
import queue
from collections.abc import Callable
from concurrent.futures import Future, wait
from typing import Any

_work: "queue.SimpleQueue[tuple[Callable[[], Any], Future[Any]] | None]" = queue.SimpleQueue()


_parent = os.getppid()


def do(function: Callable[[], Any]) -> "Future[Any]":
    """Have the main thread call this, after what it was given before."""
    future: Future[Any] = Future()
    _work.put((function, future))
    return future


def done(future: "Future[Any]") -> Any:
    """Wait for it, and return what came of it; if whoever asked is no more, so is this process."""
    while not wait([future], 1).done:
        if os.getppid() != _parent:
            os._exit(1)
    return future.result()


def work() -> None:
    """Do what is given, in the thread that calls this, until there is an end."""
    while (given := _work.get()) is not None:
        function, future = given
        try:
            future.set_result(function())
        except BaseException as exc:  # also SystemExit: it is whoever asked that is told
            future.set_exception(exc)


def end() -> None:
    """Let the main thread end, once it has done what it was given."""
    _work.put(None)
