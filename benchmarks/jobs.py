"""Jobs: latency, idle cost, throughput beside procrastinate and pgqueuer, and what a POST with a job costs.

On a PostgreSQL server that is started for it, and latency on SQLite too; workers are processes of their
own. The queues take turns, so that what else the machine does falls on all of them. The peers run where
they are installed, `--peers .dev/peers/bin/python` (scripts/bench.sh makes it); without it ours runs alone.
Prints figures and ratios.

    python benchmarks/jobs.py [--jobs 3000] [--rounds 3] [--peers PYTHON]
"""

import argparse
import asyncio
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

import httpx2
import psutil  # type: ignore[import-untyped] # its types are no requirement
from fastapi import FastAPI
from sqlalchemy import Column, Integer, MetaData, Table, func, insert, select, text

from stanchion import Database
from stanchion.database import migrations
from stanchion.jobs import Jobs, Status
from stanchion.jobs.table import jobs as table
from stanchion.testing import client, postgres

CONCURRENCY = 50
"""Of each queue's worker, which is one process."""
PATIENCE = 120.0
SAMPLES = 60
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
import asyncpg
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

asyncio.run(main())
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


async def rate_of_ours(url: str, count: int) -> float:
    migrations.upgrade(url, Path("nowhere"))
    database = Database(url)
    jobs = declared(database)
    async with database.transaction() as session:
        for _ in range(count):
            await jobs.enqueue(session, jobs.functions["trivial"])
    return await rate(database, OURS, sys.executable, url, count, left=_left())


async def rate_of_peer(name: str, python: str, url: str, count: int) -> float:
    source, left = PEERS[name]
    with started(python, source, url, str(count), "fill") as filler:
        assert filler.wait() == 0
    return await rate(Database(url), source, python, url, count, left=left)


async def rate(database: Database, source: str, python: str, url: str, count: int, *, left: str) -> float:
    """Return the jobs a second of one worker, from the first that is done on: starting is not measured."""
    with started(python, source, url, str(CONCURRENCY), "work") as worker:
        try:
            while True:
                async with database.read() as session:
                    waiting = int(await session.scalar(text(left)) or 0)
                if waiting < count:
                    break
                await asyncio.sleep(0.01)
            return waiting / await emptied(database, left)
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
                await until_done(database, job_id)
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


async def until_done(database: Database, job_id: int) -> None:
    while True:
        async with database.read() as session:
            if await session.scalar(select(table.c.status).where(table.c.id == job_id)) == Status.done:
                return
        await asyncio.sleep(0.01)


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
            print(f"{name}: a POST with a job costs {await cost(url, 200):.2f} times one without")
        names = ["stanchion", *(PEERS if peers else ())]
        found: dict[str, list[float]] = {name: [] for name in names}
        for _ in range(rounds):
            for name in names:
                url = server.create_database()
                made = (
                    rate_of_peer(name, peers, url, count)
                    if peers and name in PEERS
                    else rate_of_ours(url, count)
                )
                found[name].append(await made)
        ours = statistics.median(found["stanchion"])
        for name in names:
            median = statistics.median(found[name])
            print(f"{name}: {median:.0f} trivial jobs a second, {ours / median:.2f} of them ours for one")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--jobs", type=int, default=3000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--peers", help="the interpreter that has procrastinate and pgqueuer")
    given = parser.parse_args()
    asyncio.run(main(given.jobs, given.rounds, given.peers))
