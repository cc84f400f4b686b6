"""Durable background jobs: rows of the app's own database, put in by the write that asks for them.

    jobs = Jobs(database)

    @jobs.job()
    async def send_digest(user_id: int) -> None: ...

    await jobs.enqueue(session, send_digest, user_id=7)

A Worker runs them: inside `stanchion dev` and `stanchion run`, or `stanchion worker` elsewhere. Each
runs at least once; what it writes in the session of its JobContext is written exactly once.
"""

from stanchion.jobs.context import JobContext
from stanchion.jobs.errors import ArgumentsError, GiveUpError, LeaseLostError
from stanchion.jobs.function import JobFunction
from stanchion.jobs.record import Failure, Job
from stanchion.jobs.registry import Jobs
from stanchion.jobs.table import Status
from stanchion.jobs.worker import Worker

__all__ = [
    "ArgumentsError",
    "Failure",
    "GiveUpError",
    "Job",
    "JobContext",
    "JobFunction",
    "Jobs",
    "LeaseLostError",
    "Status",
    "Worker",
]
