"""Jobs: latency, idle cost, throughput beside procrastinate and pgqueuer, and what a POST with a job costs.

On a PostgreSQL server that is started for it, and on SQLite what has no peer; workers are processes of
their own, on the event loop that their own command takes. The queues take turns, and another one begins each
round, so that what else the machine does falls on all of them; how much of a core a worker took for a job
depends less on that. The peers run where they are installed, `--peers .dev/peers/bin/python`
(scripts/bench.sh makes it); without it ours runs alone. Prints figures and ratios.

    python benchmarks/jobs.py [--jobs 10000] [--rounds 3] [--peers PYTHON]
"""

import argparse
import asyncio
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import httpx2
import psutil  # type: ignore[import-untyped] # its types are no requirement
from fastapi import FastAPI
from sqlalchemy import Column, Integer, MetaData, Table, func, insert, literal, select, text, true

from stanchion import Database
from stanchion.database import migrations
from stanchion.jobs import Jobs, Status, store
from stanchion.jobs.table import jobs as table
from stanchion.testing import client, postgres

CONCURRENCY = 50
"""Of each queue's worker, which is one process."""
FEWER = {"procrastinate": 20}
"""By how much fewer jobs one has, which takes them one by one."""
PATIENCE = 120.0
SAMPLES = 60
CANCELLED = 15
IDLE = 10.0

OURS = """
import sys, time
from pathlib import Path
import anyio
from stanchion import Database, logging
from stanchion.jobs import Jobs, Worker
logging.configure(format="json", level="WARNING")
jobs = Jobs(Database(sys.argv[1]))

@jobs.job()
async def trivial() -> None: ...

@jobs.job()
async def stamp(path: str) -> None:
    Path(path).write_text(repr(time.monotonic()))

@jobs.job()
async def endless() -> None:
    await anyio.sleep_forever()

anyio.run(Worker(jobs, concurrency=int(sys.argv[2])).run, backend_options={"use_uvloop": True})
"""
PROCRASTINATE = """
import asyncio, sys
import procrastinate
app = procrastinate.App(connector=procrastinate.PsycopgConnector(conninfo=sys.argv[1]))

@app.task(name="trivial")
async def trivial(): ...

async def main():
    async with app.open_async():
        if sys.argv[3] == "fill":
            await app.schema_manager.apply_schema_async()
            await trivial.batch_defer_async(*({} for _ in range(int(sys.argv[2]))))
        else:
            await app.run_worker_async(concurrency=int(sys.argv[2]), install_signal_handlers=False)

asyncio.run(main())
"""
PGQUEUER = """
import asyncio, sys
import asyncpg, uvloop
from pgqueuer import AsyncpgPoolDriver, PgQueuer, Queries

async def main():
    async with asyncpg.create_pool(sys.argv[1], min_size=2) as pool:
        driver = AsyncpgPoolDriver(pool)
        if sys.argv[3] == "fill":
            queries, count = Queries(driver), int(sys.argv[2])
            await queries.install()
            await queries.enqueue(["trivial"] * count, [None] * count, [0] * count)
            return
        queue = PgQueuer(driver)

        @queue.entrypoint("trivial")
        async def trivial(job): ...

        await queue.run(batch_size=int(sys.argv[2]))

uvloop.run(main())
"""
PEERS = {
    "procrastinate": (PROCRASTINATE, "SELECT count(*) FROM procrastinate_jobs WHERE status <> 'succeeded'"),
    "pgqueuer": (PGQUEUER, "SELECT count(*) FROM pgqueuer"),
}

metadata = MetaData()
rows = Table("rows", metadata, Column("id", Integer, primary_key=True))


def declared(database: Database) -> Jobs:
    jobs = Jobs(database)

    @jobs.job()
    async def trivial() -> None: ...

    @jobs.job()
    async def stamp(path: str) -> None: ...

    @jobs.job()
    async def endless() -> None: ...

    return jobs


def started(python: str, source: str, *words: str) -> "subprocess.Popen[bytes]":
    return subprocess.Popen([python, "-c", source, *words], stderr=subprocess.DEVNULL)


async def emptied(database: Database, query: str) -> float:
    """Return the seconds until a count is zero."""
    began = time.monotonic()
    while time.monotonic() < began + PATIENCE:
        async with database.read() as session:
            if (await session.scalar(text(query))) == 0:
                return time.monotonic() - began
        await asyncio.sleep(0.05)
    raise SystemExit(f"Not done after {PATIENCE} s: {query}")


@dataclass(frozen=True, slots=True)
class Rate:
    """Jobs a second, and the microseconds of a core that the worker's process took for one."""

    jobs: float
    cpu: float


async def rate_of_ours(url: str, count: int) -> Rate:
    migrations.upgrade(url, Path("nowhere"))
    database = Database(url)
    function = declared(database).functions["trivial"]
    async with database.transaction() as session:
        first = await store.insert(session, function.new())
        columns = [column for column in table.c if column.name != "id"]
        copied = select(*columns).where(table.c.id == first)
        numbers = select(func.generate_series(2, count).label("number"))
        if url.startswith("sqlite"):
            start = select(literal(2).label("number")).cte(recursive=True)
            counted = start.union_all(select(start.c.number + 1).where(start.c.number < count))
            numbers = select(counted.c.number)
        each = numbers.subquery()
        await session.execute(
            insert(table).from_select(
                [column.name for column in columns], copied.join_from(table, each, true())
            )
        )
    return await rate(database, OURS, sys.executable, url, count, left=_left())


async def rate_of_peer(name: str, python: str, url: str, count: int) -> Rate:
    source, left = PEERS[name]
    with started(python, source, url, str(count), "fill") as filler:
        assert filler.wait() == 0
    return await rate(Database(url), source, python, url, count, left=left)


async def rate(database: Database, source: str, python: str, url: str, count: int, *, left: str) -> Rate:
    """Return the rate of one worker, from the first jobs that are done on: starting is not measured."""
    with started(python, source, url, str(CONCURRENCY), "work") as worker:
        try:
            while True:
                async with database.read() as session:
                    waiting = int(await session.scalar(text(left)) or 0)
                if waiting < count:
                    break
                await asyncio.sleep(0.01)
            process = psutil.Process(worker.pid)
            before = sum(process.cpu_times()[:2])
            seconds = await emptied(database, left)
            return Rate(waiting / seconds, (sum(process.cpu_times()[:2]) - before) / waiting * 1e6)
        finally:
            worker.terminate()
            worker.wait()
            await database.close()


def _left() -> str:
    return "SELECT count(*) FROM stanchion_jobs WHERE finished_at IS NULL"


async def latency(url: str) -> tuple[float, float]:
    """Return the median of the milliseconds from commit to start, and the idle worker's share of a core."""
    migrations.upgrade(url, Path("nowhere"))
    database = Database(url)
    jobs = declared(database)
    found = []
    with (
        tempfile.TemporaryDirectory() as folder,
        started(sys.executable, OURS, url, "5") as worker,
    ):
        try:
            for number in range(SAMPLES + 1):
                path = Path(folder) / str(number)
                async with database.transaction() as session:
                    job_id = await jobs.enqueue(session, jobs.functions["stamp"], path=str(path))
                committed = time.monotonic()
                await until(database, job_id, Status.done)
                found.append(float(path.read_text()) - committed)
                await asyncio.sleep(0.05)
            process = psutil.Process(worker.pid)
            before = sum(process.cpu_times()[:2])
            await asyncio.sleep(IDLE)
            idle = (sum(process.cpu_times()[:2]) - before) / IDLE
        finally:
            worker.terminate()
    await database.close()
    return statistics.median(found[1:]) * 1000, idle * 100  # the first waits for the worker to start


async def until(database: Database, job_id: int, status: Status) -> None:
    while True:
        async with database.read() as session:
            if await session.scalar(select(table.c.status).where(table.c.id == job_id)) == status:
                return
        await asyncio.sleep(0.005)


async def cancelling(url: str) -> float:
    """Return the median of the milliseconds from the commit of a cancellation to the end of what ran."""
    database = Database(url)
    jobs = declared(database)
    found = []
    with started(sys.executable, OURS, url, "5") as worker:
        try:
            for _ in range(CANCELLED):
                async with database.transaction() as session:
                    job_id = await jobs.enqueue(session, jobs.functions["endless"])
                await until(database, job_id, Status.running)
                await asyncio.sleep(0.3)
                async with database.transaction() as session:
                    assert await jobs.cancel(session, job_id)
                committed = time.monotonic()
                await until(database, job_id, Status.cancelled)
                found.append(time.monotonic() - committed)
        finally:
            worker.terminate()
    await database.close()
    return statistics.median(found) * 1000


async def cost(url: str, rounds: int) -> float:
    """Return how much longer a POST takes that also enqueues a job: the ratio of the medians, in turns."""
    database = Database(url)
    jobs = declared(database)
    async with database.engine.begin() as connection:
        await connection.run_sync(metadata.create_all)
    app = FastAPI()

    @app.post("/{count}")
    async def write(count: int) -> int:
        async with database.transaction() as session:
            made: int = (await session.execute(insert(rows).returning(rows.c.id))).scalar_one()
            for _ in range(count):
                await jobs.enqueue(session, jobs.functions["trivial"])
        return made

    found: dict[int, list[float]] = {0: [], 1: []}
    async with client(app) as caller:
        for number in range(2 * rounds):
            began = time.perf_counter()
            response: httpx2.Response = await caller.post(f"/{number % 2}")
            found[number % 2].append(time.perf_counter() - began)
            assert response.status_code == 200
    async with database.read() as session:
        assert await session.scalar(select(func.count()).select_from(rows)) == 2 * rounds
    await database.close()
    return statistics.median(found[1]) / statistics.median(found[0])


async def main(count: int, rounds: int, peers: str | None) -> None:
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        server = stack.enter_context(postgres.PostgresServer(durable=True))
        for name, url in (("sqlite", f"sqlite:///{folder}/a.db"), ("postgresql", server.create_database())):
            median, idle = await latency(url)
            print(f"{name}: commit to start {median:.1f} ms at the median; idle {idle:.2f} % of a core")
            print(f"{name}: from cancelling to the end {await cancelling(url):.0f} ms at the median")
            print(f"{name}: a POST with a job costs {await cost(url, 200):.2f} times one without")
        alone = await rate_of_ours(f"sqlite:///{folder}/b.db", count)
        print(f"sqlite: {alone.jobs:.0f} trivial jobs a second, {alone.cpu:.0f} µs of CPU in the worker")
        names = ["stanchion", *(PEERS if peers else ())]
        found: dict[str, list[Rate]] = {name: [] for name in names}
        for number in range(rounds):
            for name in names[number % len(names) :] + names[: number % len(names)]:
                url = server.create_database()
                made = (
                    rate_of_peer(name, peers, url, count // FEWER.get(name, 1))
                    if peers and name in PEERS
                    else rate_of_ours(url, count)
                )
                found[name].append(await made)
        medians = {name: statistics.median(one.jobs for one in rates) for name, rates in found.items()}
        for name in names:
            cpu = statistics.median(one.cpu for one in found[name])
            each = ", ".join(f"{one.jobs:.0f}" for one in found[name])
            print(
                f"postgresql, {name}: {medians[name]:.0f} trivial jobs a second ({each}), "
                f"{cpu:.0f} µs of CPU in the worker; {medians['stanchion'] / medians[name]:.2f} ours for one"
            )


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--jobs", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--peers", help="the interpreter that has procrastinate and pgqueuer")
    given = parser.parse_args()
    asyncio.run(main(given.jobs, given.rounds, given.peers))
