"""Jobs of a test's own, on each database, and the functions they call."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import anyio
import pytest
from sqlalchemy import Column, Integer, MetaData, String, Table, func, select, update

from stanchion import Database
from stanchion.jobs import Job, JobContext, JobFunction, Jobs, Status, Worker
from stanchion.jobs.table import jobs as table
from stanchion.jobs.table import metadata as tables

PATIENCE = 20.0
"""Seconds after which a test has failed."""

metadata = MetaData()
effects = Table(
    "effects", metadata, Column("id", Integer, primary_key=True), Column("text", String(50), nullable=False)
)


@dataclass
class Office:
    """Jobs with their database, and what their functions noted."""

    database: Database
    jobs: Jobs
    noted: list[Any] = field(default_factory=list)

    async def enqueue(self, function: JobFunction[..., Any], *args: Any, **kwargs: Any) -> int:
        async with self.database.transaction() as session:
            return await self.jobs.enqueue(session, function, *args, **kwargs)

    async def get(self, job_id: int) -> Job:
        async with self.database.read() as session:
            job = await self.jobs.get(session, job_id)
        assert job is not None
        return job

    async def until(self, job_id: int, *statuses: Status) -> Job:
        """Wait until a job has one of these statuses."""
        with anyio.fail_after(PATIENCE):
            while (job := await self.get(job_id)).status not in statuses:  # noqa: ASYNC110 - it is a row
                await anyio.sleep(0.02)
        return job

    async def count(self, counted: Table = effects) -> int:
        async with self.database.read() as session:
            return await session.scalar(select(func.count()).select_from(counted)) or 0

    async def set(self, job_id: int, **values: Any) -> None:
        """Change a row behind the back of its worker."""
        async with self.database.transaction() as session:
            await session.execute(update(table).where(table.c.id == job_id).values(values))

    def worker(self, **options: Any) -> Worker:
        return Worker(self.jobs, **{"lease": 3.0, "poll": 0.2, "grace": 5.0} | options)


@pytest.fixture
async def office(database_url: str) -> AsyncIterator[Office]:
    database = Database(database_url)
    async with database.engine.begin() as connection:
        await connection.run_sync(metadata.create_all)
        await connection.run_sync(tables.create_all)
    yield Office(database, Jobs(database))
    await database.close()


@pytest.fixture
def note(office: Office) -> JobFunction[[str], Any]:
    """A job that writes a row, in the session of its own."""

    @office.jobs.job(name="note", max_attempts=3, backoff=0.0)
    async def write(context: JobContext, text: str) -> None:
        session = await context.session()
        await session.execute(effects.insert().values(text=text))
        office.noted.append(text)

    return write
