"""The change feed over HTTP: from commit to client, what it costs when nothing happens, and what a POST pays.

One server (uvicorn, one process) with the same table twice, with and without events. In one run, on SQLite
and on PostgreSQL: the time from the answer of a POST to the event at another client (median, 99th
percentile), alone and beside a client that reads a byte a second; the share of a core that the server takes
with a subscriber and no changes; the memory of an idle subscriber; a POST with its event against one without.

    python benchmarks/feed.py [--database sqlite|postgresql] [--changes 300] [--subscribers 1000]
"""

import argparse
import asyncio
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack, suppress
from pathlib import Path

import httpx2

from stanchion.database import migrations
from stanchion.testing import postgres

APP = """
import os

from fastapi import FastAPI
from pydantic import BaseModel
from sqlmodel import Field, SQLModel

import stanchion
from stanchion.events import Events
from stanchion.signing import sign_with

database = stanchion.Database(os.environ["DATABASE_URL"])


class Item(SQLModel, table=True):
    __table_args__ = {"sqlite_autoincrement": True}

    id: int | None = Field(default=None, primary_key=True)
    title: str
    version: int = 1


class ItemBody(BaseModel):
    title: str


class ItemResponse(ItemBody):
    id: int


class Quiet(stanchion.Resource):
    session = database.get_session


class Told(Quiet):
    events = Events(database)


async def lifespan(app):
    async with database.engine.begin() as connection:
        await connection.run_sync(SQLModel.metadata.create_all)
    yield
    await database.close()


from contextlib import asynccontextmanager

app = FastAPI(lifespan=asynccontextmanager(lifespan))
sign_with(app, "the secret of a benchmark")
for prefix, resource in (("/quiet", Quiet), ("/told", Told)):
    declared = resource(Item, create=ItemBody, update=ItemBody, response=ItemResponse)
    app.include_router(declared.router(prefix=prefix))
"""

ROUNDS = 5
IDLE_FOR = 8.0


def usage(pid: int) -> float:
    """Return the seconds of a processor that a process has taken."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def memory(pid: int) -> int:
    """Return the kilobytes that a process has in memory."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmRSS")).split()[1])


async def follow(port: int, limit: int = 2**24) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=limit)
    writer.write(b"GET /told/events HTTP/1.1\r\nHost: localhost\r\n\r\n")
    return reader, writer


async def delays(port: int, client: httpx2.AsyncClient, count: int) -> list[float]:
    """Return for each change the milliseconds from the answer to the event at another client."""
    reader, writer = await follow(port)
    await reader.readuntil(b"id: ")
    found: list[float] = []
    for number in range(count):
        arrives = asyncio.create_task(reader.readuntil(f'"title":"change {number}"'.encode()))
        await client.post("/told", json={"title": f"change {number}"})
        answered = time.perf_counter()
        await arrives
        found.append(max(0.0, (time.perf_counter() - answered) * 1000))
        await asyncio.sleep(0.01)
    writer.close()
    return found


def told(name: str, found: list[float]) -> None:
    ordered = sorted(found)
    last = ordered[int(len(ordered) * 0.99) - 1]
    print(f"  {name}: {statistics.median(found):.1f} ms at the median, {last:.1f} ms at the 99th percentile")


async def slow_reader(port: int) -> None:
    reader, _ = await follow(port, limit=16)
    while await reader.read(1):  # noqa: ASYNC110 - it is to be as slow as that
        await asyncio.sleep(1)


async def cost(client: httpx2.AsyncClient, count: int) -> tuple[float, float]:
    """Return the milliseconds of a POST without and with its event, rounds of both in turn."""
    taken: dict[str, list[float]] = {"/quiet": [], "/told": []}
    for _ in range(ROUNDS):
        for path, times in taken.items():
            for number in range(count // ROUNDS):
                began = time.perf_counter()
                (await client.post(path, json={"title": str(number)})).raise_for_status()
                times.append((time.perf_counter() - began) * 1000)
    return statistics.median(taken["/quiet"]), statistics.median(taken["/told"])


async def measure(port: int, pid: int, changes: int, subscribers: int) -> None:
    async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=60) as client:
        without, with_event = await cost(client, changes)
        ratio = with_event / without
        print(f"  POST: {without:.2f} ms without, {with_event:.2f} ms with its event: {ratio:.2f} times")
        told("commit to client", await delays(port, client, changes))
        dripping = asyncio.create_task(slow_reader(port))
        body = [{"title": "x" * 200}] * 1000
        for _ in range(10):  # more than its sockets hold: it is sent away
            (await client.post("/told/bulk", json=body)).raise_for_status()
        told("beside a slow one", await delays(port, client, changes))
        dripping.cancel()
        with suppress(asyncio.CancelledError):
            await dripping
        reader, writer = await follow(port)
        await reader.readuntil(b"id: ")
        before = usage(pid)
        await asyncio.sleep(IDLE_FOR)
        print(f"  idle: {(usage(pid) - before) / IDLE_FOR:.2%} of a core")
        size = memory(pid)
        idle = []
        for _ in range(0, subscribers, 100):
            some = await asyncio.gather(*(follow(port) for _ in range(100)))
            await asyncio.gather(*(one.readuntil(b"\n\n") for one, _ in some))
            idle += some
        await asyncio.sleep(1)
        print(f"  an idle subscriber: {(memory(pid) - size) / subscribers:.1f} KB")
        for _, one in (*idle, (reader, writer)):
            one.close()


def serve(database_url: str, changes: int, subscribers: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        migrations.upgrade(database_url, Path(folder))
        (Path(folder) / "served.py").write_text(APP)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        command = [sys.executable, "-m", "uvicorn", "served:app", "--port", str(port), "--log-level", "error"]
        environment = {**os.environ, "DATABASE_URL": database_url}
        with subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.DEVNULL) as server:
            try:
                _wait(port, server)
                asyncio.run(measure(port, server.pid, changes, subscribers))
            finally:
                server.kill()


def _wait(port: int, server: "subprocess.Popen[bytes]") -> None:
    while server.poll() is None:
        with suppress(httpx2.TransportError):
            httpx2.get(f"http://127.0.0.1:{port}/quiet").raise_for_status()
            return
        time.sleep(0.1)
    raise SystemExit("the server did not start")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--database", choices=["sqlite", "postgresql"], nargs="*", default=["sqlite", "postgresql"]
    )
    parser.add_argument("--changes", type=int, default=300)
    parser.add_argument("--subscribers", type=int, default=1000)
    asked = parser.parse_args()
    for database in asked.database:
        print(f"{database}:")
        with ExitStack() as stack:
            if database == "sqlite":
                folder = stack.enter_context(tempfile.TemporaryDirectory())
                url = f"sqlite:///{folder}/bench.db"
            else:
                url = stack.enter_context(postgres.PostgresServer(durable=True)).create_database()
            serve(url, asked.changes, asked.subscribers)


if __name__ == "__main__":
    main()
