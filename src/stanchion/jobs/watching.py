"""A job, as it changes."""

from collections.abc import AsyncIterator

import anyio

from stanchion.database import Database
from stanchion.jobs import store
from stanchion.jobs.record import Job

_POLL = 1.0
"""Seconds after which it is read again, whatever was or was not heard."""
_PAUSE = 0.1
"""Seconds between two reads: a job may tell of its progress more often than anybody can see."""


async def watch(database: Database, job_id: int) -> AsyncIterator[Job]:
    """Yield a job now and whenever it has changed, until it is over."""
    before: Job | None = None
    async with database.wakes.listening(store.TOLD) as wake:
        while True:
            async with database.read() as session:
                job = await store.get(session, job_id)
            if job is None:
                return
            if before is None or _shown(job) != _shown(before):
                yield job
            if job.is_finished:
                return
            before = job
            await anyio.sleep(_PAUSE)
            await wake.wait(_POLL)


def _shown(job: Job) -> tuple[object, ...]:
    """Return what a change of is worth telling; a lease that is renewed is not."""
    return (job.status, job.attempt, job.done, job.total, job.message, job.error, job.retry_at)
