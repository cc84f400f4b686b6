"""Turns: who of this process waits to write to a SQLite file, which has one writer and no queue."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager


class Turns:
    """Lets whoever writes again and again see that others wait, and leave the file to them first.

    SQLite itself lets all try, and sleep up to 100 ms in between: one that begins as soon as it has
    committed is nearly always first.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._waiting: set[object] = set()

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Wait for the file in this block."""
        turn = object()
        with self._changed:
            self._waiting.add(turn)
        try:
            yield
        finally:
            with self._changed:
                self._waiting.remove(turn)
                self._changed.notify_all()

    def let_others(self, seconds: float) -> None:
        """Block until all that wait by now have had their turn, at most so many seconds."""
        with self._changed:
            before = set(self._waiting)
            self._changed.wait_for(lambda: before.isdisjoint(self._waiting), seconds)
