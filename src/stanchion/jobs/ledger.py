"""Ledger: writes how runs have ended, many at a time."""

import asyncio
from collections.abc import Callable, Collection

import anyio
import structlog

from stanchion.database import Database
from stanchion.database.wakes import is_loud
from stanchion.errors import UnavailableError
from stanchion.jobs import endings
from stanchion.jobs.endings import Ending, How
from stanchion.jobs.failing import failure_of
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
                await self._settle(batch)
        finally:
            await self._line.close()

    async def _settle(self, batch: list[Ending]) -> None:
        """Write them all; one that the database refuses is written as failed, and holds up no other."""
        if await self._refusal(batch) is None:
            return
        for ending in batch:
            while refusal := await self._refusal([ending]):
                failed = Ending(ending.lease, How.failed, error=failure_of(refusal))
                if await self._refusal([failed]) is None:
                    _tell_failed(failed)
                    break
                await anyio.sleep(_AGAIN)  # then it is not for what is in it

    async def _refusal(self, batch: list[Ending]) -> Exception | None:
        """Write, as soon as the database is not busy or away; return what else it says against it."""
        while True:
            try:
                written = await endings.write(self._line, batch, is_loud=self._is_loud)
                break
            except UnavailableError as exc:
                # That takes no lease: what was done is told when it answers.
                tell("job_end_not_written", exc)
                await anyio.sleep(_AGAIN)
            except Exception as exc:
                tell("job_end_not_written", exc)
                return exc
        self._told.tell()
        self._written(batch, written)
        return None


def _tell_failed(ending: Ending) -> None:
    lease, error = ending.lease, ending.error
    assert error is not None
    names = {"job": lease.name, "job_id": lease.id, "attempt": lease.attempt}
    log.error("job_failed", **names, error=error.type, reason=error.message)


def tell(event: str, exc: Exception) -> None:
    """Log what went wrong; a database that is busy or away is no fault of the code."""
    if isinstance(exc, UnavailableError):
        log.warning(event, error=exc.code)
    else:
        log.error(event, exc_info=exc)
