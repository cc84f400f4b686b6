"""Ledger: how runs have ended, written many at a time, and how far they are."""

import asyncio
from dataclasses import dataclass, field
from enum import StrEnum

import anyio
import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from stanchion.database import Database, notify
from stanchion.errors import UnavailableError
from stanchion.jobs import leases
from stanchion.jobs.leases import Lease, Progress
from stanchion.jobs.line import Line
from stanchion.jobs.record import Failure
from stanchion.jobs.store import TOPIC
from stanchion.jobs.told import Told

_AGAIN = 0.5
"""Seconds until a database that was busy or away is asked again."""

log = structlog.stdlib.get_logger("stanchion.jobs")


class How(StrEnum):
    """How a run has ended; one that was stopped is given back to other workers."""

    done = "done"
    failed = "failed"
    cancelled = "cancelled"
    stopped = "stopped"


@dataclass(slots=True, eq=False)
class Ending:
    """The end of a run, to be written; `is_lost` when its lease was another's by then."""

    lease: Lease
    progress: Progress
    how: How
    result: str | None = None
    error: Failure | None = None
    retry_in: float | None = None
    is_lost: bool = field(default=False, init=False)
    written: asyncio.Event = field(default_factory=asyncio.Event, init=False)

    @property
    def is_plain(self) -> bool:
        """Whether it can be written together with others by one statement."""
        return self.how is How.done and self.result is None and self.progress == Progress()


class Ledger:
    """Writes how runs have ended, while `run` runs: those that come while it writes share the next commit."""

    def __init__(self, database: Database, told: Told) -> None:
        self._database = database
        self._line = Line(database)
        self._told = told
        self._waiting: list[Ending] = []
        self._event = asyncio.Event()

    async def write(self, ending: Ending) -> None:
        """Return when it is written, or its lease was lost; a database that is busy or away is waited for."""
        self._waiting.append(ending)
        self._event.set()
        await ending.written.wait()

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
            written = await self._commit(batch)
            if any(ending.how is How.stopped or ending.retry_in is not None for ending in batch):
                async with self._database.transaction() as session:
                    await notify(session, TOPIC)
        except Exception as exc:
            # That the database is busy or away takes no lease: what was done is told when it answers.
            tell("job_end_not_written", exc)
            return False
        for ending in batch:
            ending.is_lost = ending.lease not in written
            ending.written.set()
        self._told.tell()
        return True

    async def _commit(self, batch: list[Ending]) -> set[Lease]:
        plain = {ending.lease.id: ending.lease for ending in batch if ending.is_plain}
        async with self._line.open() as line:
            written = {ending.lease for ending in batch if not ending.is_plain and await _end(line, ending)}
            if plain:
                written |= {plain[job_id] for job_id in await leases.finish_all(line, plain.values())}
        return written


def tell(event: str, exc: Exception) -> None:
    """Log what went wrong; a database that is busy or away is no fault of the code."""
    if isinstance(exc, UnavailableError):
        log.warning(event, error=exc.code)
    else:
        log.error(event, exc_info=exc)


async def _end(line: AsyncConnection, ending: Ending) -> bool:
    lease, progress = ending.lease, ending.progress
    match ending.how:
        case How.done:
            return await leases.finish(line, lease, progress, ending.result)
        case How.cancelled:
            return await leases.end_cancelled(line, lease, progress)
        case How.stopped:
            return await leases.release(line, lease)
        case How.failed:
            assert ending.error is not None
            return await leases.fail(line, lease, progress, ending.error, ending.retry_in)
