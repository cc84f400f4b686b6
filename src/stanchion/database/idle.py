"""Idle: what lies in a pool, the last one on top."""

from typing import TypeVar

from sqlalchemy.util.queue import AsyncAdaptedQueue, Full

T = TypeVar("T")


class Idle(AsyncAdaptedQueue[T]):
    """SQLAlchemy's queue of idle connections as a stack, from which one is taken in one step.

    asyncio's LifoQueue takes six, and has one only while somebody waits, who is given it there.
    """

    def __init__(self, maxsize: int = 0, use_lifo: bool = True) -> None:
        super().__init__(maxsize, use_lifo)
        self._stack: list[T] = []
        self._waiting = 0

    def empty(self) -> bool:
        """Tell whether nothing is there."""
        return self.qsize() == 0

    def full(self) -> bool:
        """Tell whether no more may be put there."""
        return 0 < self.maxsize <= self.qsize()

    def qsize(self) -> int:
        """Return how many there are."""
        return len(self._stack) + self._queue.qsize()

    def get_nowait(self) -> T:
        """Return the last one. Raises Empty, of sqlalchemy.util.queue, where there is none."""
        return self._stack.pop() if self._stack else super().get_nowait()

    def put_nowait(self, item: T) -> None:
        """Put one there, or give it to who waits. Raises Full, of sqlalchemy.util.queue, for one too many."""
        if self._waiting:
            super().put_nowait(item)
        elif len(self._stack) >= self.maxsize > 0:
            raise Full
        else:
            self._stack.append(item)

    def get(self, block: bool = True, timeout: float | None = None) -> T:
        """Return the last one, or wait so many seconds for one. Raises what `get_nowait` raises."""
        if self._stack or not block:
            return self.get_nowait()
        self._waiting += 1
        try:
            return super().get(block, timeout)
        finally:
            self._waiting -= 1
            while not self._waiting and not self._queue.empty():  # it came for one who had just given up
                self._stack.append(super().get_nowait())
