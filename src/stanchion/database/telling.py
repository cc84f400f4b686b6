"""Telling: those who wait are woken once for all that was committed in a moment, after it was."""

import asyncio
from collections.abc import Awaitable, Callable
from contextvars import Context
from typing import Any

import structlog

from stanchion.errors import DomainError

_GAP = 0.01
"""Seconds from the end of one NOTIFY of a Database to the beginning of its next."""
_LONGEST = 1.0
"""Seconds that `close` waits."""

log = structlog.stdlib.get_logger("stanchion.database")


class Telling:
    """Says of topics that they have news, by `notify`, which is awaited for each, at most every 10 ms.

    A NOTIFY in a transaction of PostgreSQL's holds a lock of the whole database from the beginning of its
    COMMIT to the end: those who write would stand in line for the disk. What is said here comes after the
    commit, so it can be lost: whoever waits also looks by himself.
    """

    def __init__(self, notify: Callable[[str], Awaitable[Any]]) -> None:
        self._notify = notify
        self._topics: set[str] = set()
        self._task: asyncio.Task[None] | None = None

    def tell(self, topic: str) -> None:
        """Let it be said that a topic has news: a transaction has committed."""
        self._topics.add(topic)
        task = self._task
        if task is None or task.done() or task.get_loop().is_closed():
            # Not in the context of the request that is the first to tell: it is for the others, too.
            self._task = asyncio.create_task(self._run(), name="stanchion.telling", context=Context())

    async def close(self) -> None:
        """Wait until all is said, for a second at most: a server that is silent would hold up the end."""
        task, self._task = self._task, None
        if task is not None and task.get_loop() is asyncio.get_running_loop():
            await asyncio.wait([task], timeout=_LONGEST)
            task.cancel()

    async def _run(self) -> None:
        while self._topics:
            try:
                await self._notify(self._topics.pop())
            except DomainError as exc:  # whoever waits looks by himself
                log.warning("not_told", error=exc.code)
            except Exception as exc:
                log.error("not_told", exc_info=exc)
            await asyncio.sleep(_GAP)
