"""Ledger: how runs have ended, written many at a time, and how far they are."""

from dataclasses import dataclass, field
from enum import StrEnum

import anyio
import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from stanchion.database import Database, notify
from stanchion.errors import UnavailableError
from stanchion.jobs import leases
from stanchion.jobs.leases import Lease, Progress
from stanchion.jobs.record import Failure
from stanchion.jobs.store import TOLD, TOPIC

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
    """The end of a run, to be written; `is_written` is None until it was tried, False for a lost lease."""

    lease: Lease
    progress: Progress
    how: How
    result: str | None = None
    error: Failure | None = None
    retry_in: float | None = None
    is_written: bool | None = field(default=None, init=False)

    @property
    def is_plain(self) -> bool:
        """Whether it can be written together with others by one statement."""
        return self.how is How.done and self.result is None and self.progress == Progress()


class Ledger:
    """Writes how runs have ended: those that come while it writes share the next commit."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._waiting: list[Ending] = []
        self._lock = anyio.Lock()

    async def write(self, ending: Ending) -> bool:
        """Write how a run has ended, as soon as the database lets us; return False for a lost lease."""
        self._waiting.append(ending)
        while ending.is_written is None:
            async with self._lock:
                if ending.is_written is None:
                    await self._write()
        return ending.is_written

    async def _write(self) -> None:
        batch, self._waiting = self._waiting, []
        try:
            written = await self._commit(batch)
        except UnavailableError as exc:
            # A database that is busy or away takes no lease: what was done is told later.
            self._waiting = [*batch, *self._waiting]
            log.warning("job_end_not_written", error=exc.code, jobs=len(batch))
            await anyio.sleep(_AGAIN)
        except BaseException:
            self._waiting = [*batch, *self._waiting]
            raise
        else:
            for ending in batch:
                ending.is_written = ending.lease in written

    async def _commit(self, batch: list[Ending]) -> set[Lease]:
        plain = {ending.lease.id: ending.lease for ending in batch if ending.is_plain}
        async with self._database.transaction() as session:
            written = {
                ending.lease for ending in batch if not ending.is_plain and await _end(session, ending)
            }
            if plain:
                written |= {plain[job_id] for job_id in await leases.finish_all(session, plain.values())}
            if any(ending.how is How.stopped or ending.retry_in is not None for ending in batch):
                await notify(session, TOPIC)
            await notify(session, TOLD)
        return written


async def _end(session: AsyncSession, ending: Ending) -> bool:
    lease, progress = ending.lease, ending.progress
    match ending.how:
        case How.done:
            return await leases.finish(session, lease, progress, ending.result)
        case How.cancelled:
            return await leases.end_cancelled(session, lease, progress)
        case How.stopped:
            return await leases.release(session, lease)
        case How.failed:
            assert ending.error is not None
            return await leases.fail(session, lease, progress, ending.error, ending.retry_in)
