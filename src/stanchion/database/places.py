"""Places: so many at once, and who comes later waits in turn."""

import asyncio
from collections import deque


class Places:
    """A number of places. One that is free is taken without the event loop being asked for anything.

    asyncio's Semaphore does the same in five calls, one of which asks the system for the process's number.
    """

    def __init__(self, count: int) -> None:
        self._free = count
        self._waiting: deque[asyncio.Future[None]] = deque()

    def take(self) -> bool:
        """Take a place that is free, or return False: there is none, or others wait for it."""
        if self._free <= 0 or self._waiting:
            return False
        self._free -= 1
        return True

    async def wait(self, seconds: float | None) -> None:
        """Take a place when it is this one's turn. Raises TimeoutError after so many seconds."""
        turn = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            async with asyncio.timeout(seconds):
                await turn
        except BaseException:
            if turn.done() and not turn.cancelled():  # it was given one in the same moment
                self.give_back()
            elif turn in self._waiting:
                self._waiting.remove(turn)
            raise

    def give_back(self) -> None:
        """Give a place back, to whoever has waited longest for it."""
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done() and not turn.get_loop().is_closed():
                turn.set_result(None)
                return
        self._free += 1
