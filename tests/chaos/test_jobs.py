"""Jobs under fire: workers that are killed, sleep, or have a wrong clock; a database that restarts."""

import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import anyio
import pytest
from sqlalchemy import func, select, text
from tests.chaos.jobs_of import effects, jobs_of, metadata
from tests.serving import environment

from stanchion import Database
from stanchion.jobs import Jobs, Status
from stanchion.jobs.table import jobs as table
from stanchion.jobs.table import metadata as tables
from stanchion.testing import postgres

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(900)]

ROOT = Path(__file__).parents[2]
JOBS = 5000
WORKERS = 4
KILLS = 20
LEASE = 3.0
PATIENCE = 600.0
SOON = LEASE * 1.2
LONG = 300.0
"""Seconds of a first attempt that no worker's start outlasts."""


@dataclass
class Fire:
    """A database, jobs in it, and workers in processes of their own."""

    database: Database
    url: str
    folder: Path
    server: postgres.PostgresServer | None = None
    lease: float = LEASE
    workers: list["subprocess.Popen[bytes]"] = field(default_factory=list)

    @property
    def jobs(self) -> Jobs:
        return jobs_of(self.database, self.folder / "noted")

    def start(self, *, concurrency: int = 10, skew: float = 0.0) -> "subprocess.Popen[bytes]":
        command = [sys.executable, "-m", "tests.chaos.jobs_of", self.url, str(self.lease), str(concurrency)]
        paths = f"{ROOT}:{ROOT / 'src'}"
        with (self.folder / "log").open("a") as log:
            worker = subprocess.Popen(
                [*command, str(skew)],
                cwd=self.folder,
                env=environment(PYTHONPATH=paths),
                stdout=log,
                stderr=log,
            )
        self.workers.append(worker)
        return worker

    async def enqueue(self, count: int, seconds: float = 0.0) -> list[int]:
        jobs = self.jobs
        found: list[int] = []
        while len(found) < count:
            async with self.database.transaction() as session:
                for _ in range(min(500, count - len(found))):
                    found.append(await jobs.enqueue(session, jobs.functions["effect"], seconds=seconds))
        return found

    async def count(self, status: Status) -> int:
        async with self.database.read() as session:
            query = select(func.count()).select_from(table).where(table.c.status == status)
            return (await session.scalars(query)).one()

    async def until(self, count: int, status: Status = Status.done) -> None:
        with anyio.fail_after(PATIENCE):
            while await self.count(status) < count:  # noqa: ASYNC110 - it is rows that are waited for
                await anyio.sleep(0.05)

    async def effects(self) -> Counter[int]:
        async with self.database.read() as session:
            return Counter(await session.scalars(select(effects.c.job_id)))

    def noted(self) -> list[tuple[int, float]]:
        lines = (self.folder / "noted").read_text().splitlines()
        # A line that a killed worker did not end is none.
        return [(int(line.split()[0]), float(line.split()[1])) for line in lines if line.count(" ") == 1]


@contextmanager
def databases(kind: str, folder: Path) -> Iterator[tuple[str, postgres.PostgresServer | None]]:
    if kind == "sqlite":
        yield f"sqlite:///{folder}/test.db", None
        return
    with postgres.PostgresServer(durable=True) as server:
        yield server.create_database(), server


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
async def fire(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Fire]:
    with databases(request.param, tmp_path) as (url, server):
        database = Database(url)
        async with database.engine.begin() as connection:
            await connection.run_sync(metadata.create_all)
            await connection.run_sync(tables.create_all)
        made = Fire(database, url, tmp_path, server)
        yield made
        for worker in made.workers:
            worker.kill()
            worker.wait()
        await database.close()


async def test_each_effect_once_though_workers_are_killed(fire: Fire) -> None:
    ids = await fire.enqueue(JOBS)
    for _ in range(WORKERS):
        fire.start()
    for killed in range(KILLS):
        await fire.until(JOBS * (killed + 1) // (KILLS + 1))
        await anyio.sleep(random.uniform(0, 0.2))
        victim = fire.workers.pop(random.randrange(WORKERS))
        victim.kill()
        victim.wait()
        fire.start()
    await fire.until(JOBS)
    assert await fire.effects() == Counter(ids), "each effect exactly once"
    assert {job_id for job_id, _ in fire.noted()} == set(ids), "what is outside, at least once"
    assert await fire.count(Status.running) == await fire.count(Status.queued) == 0, "nothing is stuck"


async def test_others_take_over_in_little_more_than_a_lease(fire: Fire) -> None:
    victim = fire.start(concurrency=5)
    ids = await fire.enqueue(5, seconds=LONG)
    await fire.until(5, Status.running)
    fire.start(concurrency=5)
    ids += await fire.enqueue(1)
    await fire.until(1)  # the other one is there: the victim has no place for it
    victim.kill()
    killed = time.monotonic()
    victim.wait()
    await fire.until(6)
    again = [moment for _, moment in fire.noted() if moment > killed]
    assert len(again) == 5
    # The lease was renewed at the latest when it was killed; what is measured is the promise itself.
    assert max(again) - killed <= SOON
    assert await fire.effects() == Counter(ids)


async def test_a_worker_that_slept_through_its_lease_writes_nothing(fire: Fire) -> None:
    sleeper = fire.start(concurrency=5)
    ids = await fire.enqueue(5, seconds=1.0)
    await fire.until(5, Status.running)
    await anyio.sleep(0.2)
    sleeper.send_signal(signal.SIGSTOP)
    fire.start(concurrency=5)
    await fire.until(5)
    sleeper.send_signal(signal.SIGCONT)
    await anyio.sleep(2.0)  # it goes on, and wants to write
    assert await fire.effects() == Counter(ids)
    assert "job_lost" in (fire.folder / "log").read_text()
    more = await fire.enqueue(20)
    await fire.until(25)
    assert await fire.effects() == Counter([*ids, *more])


@pytest.mark.parametrize("skew", [3600.0, -3600.0])
async def test_a_clock_that_is_wrong_by_an_hour(fire: Fire, skew: float) -> None:
    right, wrong = fire.start(concurrency=3), fire.start(concurrency=3, skew=skew)
    ids = await fire.enqueue(60, seconds=0.2)
    await fire.until(60)
    assert right.poll() is None
    assert wrong.poll() is None
    assert await fire.effects() == Counter(ids)
    assert Counter(job_id for job_id, _ in fire.noted()) == Counter(ids), "nobody took what another had"


async def test_a_database_that_restarts(fire: Fire) -> None:
    """PostgreSQL is stopped and started; SQLite, which has no server, is locked for longer than a lease."""
    ids = await fire.enqueue(200, seconds=0.1)
    for _ in range(2):
        fire.start(concurrency=5)
    await fire.until(20)
    if fire.server is not None:
        await fire.database.close()
        fire.server.restart()
    else:
        async with fire.database.transaction() as session:
            await session.execute(text("UPDATE stanchion_jobs SET priority = priority"))
            await anyio.sleep(fire.lease * 2)
    await fire.until(200)
    assert await fire.effects() == Counter(ids)
    assert await fire.count(Status.running) == 0
