"""Ledger: writes how runs have ended, many at a time."""

import asyncio
from collections.abc import Callable, Collection

import anyio
import structlog

from stanchion.database import Database
from stanchion.database.wakes import is_loud
from stanchion.errors import UnavailableError
from stanchion.jobs import endings
from stanchion.jobs.endings import Ending
from stanchion.jobs.line import Line
from stanchion.jobs.told import Told

_AGAIN = 0.5
"""Seconds until a database that was busy or away is asked again."""

Written = Callable[[Collection[Ending], Collection[int]], None]
"""Is called with what was to be written, and the ids of the jobs of which it was: the others are lost."""

log = structlog.stdlib.get_logger("stanchion.jobs")


class Ledger:
    """Writes how runs have ended, while `run` runs: those that come while it writes share the next commit."""

    def __init__(self, database: Database, told: Told, written: Written) -> None:
        self._line = Line(database)
        self._is_loud = is_loud(database.engine.sync_engine)
        self._told = told
        self._written = written
        self._waiting: list[Ending] = []
        self._event = asyncio.Event()

    def write(self, ending: Ending) -> None:
        """Have it written, as soon as the database lets us."""
        self._waiting.append(ending)
        self._event.set()

    async def run(self) -> None:
        """Write until it is cancelled."""
        try:
            while True:
                await self._event.wait()
                self._event.clear()
                batch, self._waiting = self._waiting, []
                while not await self._write(batch):  # noqa: ASYNC110 - it is the database that is waited for
                    await anyio.sleep(_AGAIN)
        finally:
            await self._line.close()

    async def _write(self, batch: list[Ending]) -> bool:
        try:
            written = await endings.write(self._line, batch, is_loud=self._is_loud)
        except Exception as exc:
            # That the database is busy or away takes no lease: what was done is told when it answers.
            tell("job_end_not_written", exc)
            return False
        self._told.tell()
        self._written(batch, written)
        return True


def tell(event: str, exc: Exception) -> None:
    """Log what went wrong; a database that is busy or away is no fault of the code."""
    if isinstance(exc, UnavailableError):
        log.warning(event, error=exc.code)
    else:
        log.error(event, exc_info=exc)
