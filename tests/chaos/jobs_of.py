"""Jobs that workers in processes of their own run, for the tests of what kills them.

`python -m tests.chaos.jobs_of URL LEASE CONCURRENCY [SKEW]` is a worker; SKEW is by how many seconds its
clocks, as Python tells them, are wrong.
"""

import sys
import time
from datetime import datetime, timedelta, tzinfo
from pathlib import Path
from typing import Self

import anyio
from sqlalchemy import Column, Integer, MetaData, String, Table, insert

from stanchion import Database, logging
from stanchion.jobs import JobContext, Jobs, Worker

metadata = MetaData()
effects = Table(
    "effects",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("job_id", Integer, nullable=False),  # not unique: a second effect is to be seen
    Column("worker", String(50), nullable=False),
)


def jobs_of(database: Database, noted: Path) -> Jobs:
    """Return jobs whose effects are rows, and lines of a file; a first attempt takes its time."""
    jobs = Jobs(database)

    @jobs.job(max_attempts=1000, backoff=0.0)
    async def effect(context: JobContext, seconds: float = 0.0) -> None:
        with noted.open("a") as file:  # outside of the database: at least once
            file.write(f"{context.id} {time.monotonic()}\n")
        await anyio.sleep(seconds if context.attempt == 1 else 0)
        session = await context.session()
        await session.execute(insert(effects).values(job_id=context.id, worker=str(context.attempt)))

    return jobs


def skew(seconds: float) -> None:
    """Let Python's clocks be wrong; the one of elapsed time is nobody's to set."""
    true_time = time.time

    class Wrong(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> Self:
            return super().now(tz) + timedelta(seconds=seconds)

    time.time = lambda: true_time() + seconds
    for module in (module for name, module in sys.modules.items() if name.startswith("stanchion")):
        if getattr(module, "datetime", None) is datetime:
            module.datetime = Wrong  # type: ignore[attr-defined] # that is the point


async def work(url: str, lease: float, concurrency: int) -> None:
    database = Database(url)
    jobs = jobs_of(database, Path("noted"))
    await Worker(jobs, lease=lease, concurrency=concurrency, poll=0.5).run()


if __name__ == "__main__":
    logging.configure(format="json", level="WARNING")
    if len(sys.argv) > 4:
        skew(float(sys.argv[4]))
    anyio.run(work, sys.argv[1], float(sys.argv[2]), int(sys.argv[3]))
