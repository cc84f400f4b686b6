"""The change feed over HTTP: from commit to client, what it costs when nothing happens, and what a POST pays.

One server (uvicorn, one process) with the same table twice, with and without events. In one run, on SQLite
and on PostgreSQL: a POST with its event against one without; the time from the answer of a POST to the event
at the last of three other clients (median, 99th percentile); the same while much is written, without and with
a client that reads a byte a second, in turns; what such clients take of memory; the share of a core that
the server takes with a subscriber and no changes; the memory of an idle subscriber; how long one change takes
to the last of them all.

    python benchmarks/feed.py [--database sqlite|postgresql] [--changes 300] [--subscribers 2000]
"""

import argparse
import asyncio
import os
import resource
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import ExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import httpx2

from stanchion.database import migrations
from stanchion.testing import postgres

APP = """
import os
from typing import Annotated

from fastapi import Depends, FastAPI
from pydantic import BaseModel
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import Field, SQLModel

import stanchion
from stanchion.events import Events
from stanchion.jobs import Jobs
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

jobs = Jobs(database)
told = Told(Item, create=ItemBody, update=ItemBody, response=ItemResponse)


@jobs.job()
async def trivial() -> None: ...


async def write(session, body, *, event, job):
    item = Item(title=body.title)
    session.add(item)
    await session.flush()
    if event:
        await told.announce(session, "created", [item])
    if job:
        await jobs.enqueue(session, trivial)
    return ItemResponse.model_validate(item, from_attributes=True)


Session = Annotated[AsyncSession, Depends(database.get_session)]


@app.post("/by-hand/alone")
async def alone(body: ItemBody, session: Session) -> ItemResponse:
    return await write(session, body, event=False, job=False)


@app.post("/by-hand/with-both")
async def with_both(body: ItemBody, session: Session) -> ItemResponse:
    return await write(session, body, event=True, job=True)
"""

ROUNDS = 5
QUICK = 3
"""Clients that read what comes."""
SLOW = 20
"""Clients that read a byte a second, where their memory is measured."""
WINDOW = 4096
"""Bytes that such a client's own socket takes in advance."""
MANY = [{"title": "x" * 200}] * 300
"""Rows that are written at once where much is: in a round more than the sockets of a slow client hold."""
IDLE_FOR = 8.0

Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]
Stage = Callable[["Server", httpx2.AsyncClient, int], Awaitable[None]]


@dataclass(frozen=True)
class Server:
    """A process that serves, and where it says what it logs."""

    port: int
    pid: int
    log: Path

    def usage(self) -> float:
        """Return the seconds of a processor that it has taken."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def memory(self) -> int:
        """Return the kilobytes that it has in memory."""
        lines = Path(f"/proc/{self.pid}/status").read_text().splitlines()
        return int(next(line for line in lines if line.startswith("VmRSS")).split()[1])

    def sent_away(self) -> int:
        """Return how many clients were too slow for it."""
        return self.log.read_text().count("too_slow")


async def follow(port: int, window: int | None = None) -> Connection:
    """Follow the feed; a client with a `window` takes no more than that by itself."""
    connection = socket.socket()
    connection.setblocking(False)
    if window:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, window)
    await asyncio.get_running_loop().sock_connect(connection, ("127.0.0.1", port))
    reader, writer = await asyncio.open_connection(sock=connection, limit=16 if window else 2**24)
    writer.write(b"GET /told/events HTTP/1.1\r\nHost: localhost\r\n\r\n")
    return reader, writer


@asynccontextmanager
async def following(port: int, count: int) -> AsyncIterator[list[Connection]]:
    """Follow the feed with so many clients, a hundred at a time, until the block ends."""
    found: list[Connection] = []
    try:
        for first in range(0, count, 100):
            some = await asyncio.gather(*(follow(port) for _ in range(min(100, count - first))))
            found += some
            await asyncio.gather(*(reader.readuntil(b"id: ") for reader, _ in some))
        yield found
    finally:
        for _, writer in found:
            writer.close()


@asynccontextmanager
async def dripping(port: int, count: int) -> AsyncIterator[None]:
    """Have so many clients beside the block that read a byte a second."""

    async def drip() -> None:
        reader, writer = await follow(port, WINDOW)
        try:
            while await reader.read(1):  # noqa: ASYNC110 - it is to be as slow as that
                await asyncio.sleep(1)
        finally:
            writer.close()

    tasks = [asyncio.create_task(drip()) for _ in range(count)]
    await asyncio.sleep(0.5)
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def delays(port: int, client: httpx2.AsyncClient, count: int, *, busy: bool = False) -> list[float]:
    """Return for each change the milliseconds from its answer to the event at the last of the clients.

    Where it is `busy`, many rows are written before each fifth.
    """
    found: list[float] = []
    async with following(port, QUICK) as clients:
        for number in range(count):
            if busy and number % 5 == 0:
                (await client.post("/told/bulk", json=MANY)).raise_for_status()
            title = f'"title":"change {number}"'.encode()
            arrive = asyncio.gather(*(reader.readuntil(title) for reader, _ in clients))
            (await client.post("/told", json={"title": f"change {number}"})).raise_for_status()
            answered = time.perf_counter()
            await arrive
            found.append(max(0.0, (time.perf_counter() - answered) * 1000))
            await asyncio.sleep(0.01)
    return found


def last(found: list[float]) -> float:
    """Return the 99th percentile."""
    return sorted(found)[int(len(found) * 0.99) - 1]


def told(name: str, found: list[float]) -> None:
    median = statistics.median(found)
    print(f"  {name}: {median:.1f} ms at the median, {last(found):.1f} ms at the 99th percentile")


async def cost(client: httpx2.AsyncClient, count: int) -> None:
    """Print the milliseconds of a POST without and with its event (and a job), rounds of them in turn.

    A resource writes row and event by itself; what puts a job in is written by hand, both ways.
    """
    paths = "/quiet", "/told", "/by-hand/alone", "/by-hand/with-both"
    taken: dict[str, list[float]] = {path: [] for path in paths}
    for _ in range(ROUNDS):
        for path, times in taken.items():
            for number in range(count // ROUNDS):
                began = time.perf_counter()
                (await client.post(path, json={"title": str(number)})).raise_for_status()
                times.append((time.perf_counter() - began) * 1000)
    without, with_event, alone, with_both = (statistics.median(times) for times in taken.values())
    ratio, of_both = with_event / without, with_both / alone
    print(f"  POST: {without:.2f} ms without, {with_event:.2f} ms with its event: {ratio:.2f} times")
    print(f"  by hand: {alone:.2f} ms, {with_both:.2f} ms with event and job: {of_both:.2f} times")


async def beside_a_slow_one(server: Server, client: httpx2.AsyncClient, count: int) -> None:
    """Print the delays while much is written, without and with a slow client, rounds of both in turn."""
    found: dict[int, list[float]] = {0: [], 1: []}
    rounds: dict[int, list[float]] = {0: [], 1: []}
    before = server.sent_away()
    for _ in range(ROUNDS):
        for slow, times in found.items():
            async with dripping(server.port, slow):
                these = await delays(server.port, client, max(200, count // ROUNDS), busy=True)
            times += these
            rounds[slow].append(last(these))
    told("while much is written", found[0])
    told("and beside a slow one", found[1])
    ratio, away = last(found[1]) / last(found[0]), server.sent_away() - before
    without, beside = (statistics.median(one) for one in rounds.values())
    print(
        f"    that is {ratio:.2f} times at the 99th percentile; in the middle one of {ROUNDS} rounds", end=" "
    )
    print(f"{without:.1f} ms without, {beside:.1f} ms with it: {beside - without:+.1f} ms; sent away: {away}")


async def memory_of_slow_ones(server: Server, client: httpx2.AsyncClient, _count: int) -> None:
    """Print what slow clients take of memory at most while much is written, against the same without them."""
    grown: list[int] = []
    size, away = 0, server.sent_away()
    for slow in (0, 0, SLOW):  # at first what is loaded once is
        async with dripping(server.port, slow), following(server.port, 1) as ((reader, _),):
            peak = before = server.memory()
            for _ in range(40):
                (await client.post("/told/bulk", json=MANY)).raise_for_status()
                peak = max(peak, server.memory())
            await client.post("/told", json={"title": "the end"})
            size = len(await reader.readuntil(b"the end"))
            grown.append(max(peak, server.memory()) - before)
    each = (grown[2] - grown[1]) / SLOW
    print(f"  {SLOW} slow ones: {each:.0f} KB each, while {size // 1024} KB were told to each;", end=" ")
    print(f"{server.sent_away() - away} were sent away")
    print(f"    the process grew by {grown[1]} KB at most without them, and by {grown[2]} KB with them")


async def idle(server: Server, client: httpx2.AsyncClient, subscribers: int) -> None:
    """Print what a subscriber takes to whom nothing is told, and how long one change takes to all."""
    async with following(server.port, 1):
        before = server.usage()
        await asyncio.sleep(IDLE_FOR)
        print(f"  idle: {(server.usage() - before) / IDLE_FOR:.2%} of a core")
        size = server.memory()
        async with following(server.port, subscribers) as clients:
            await asyncio.sleep(1)
            each = (server.memory() - size) / subscribers
            print(f"  an idle subscriber: {each:.1f} KB, of {subscribers}")
            arrive = asyncio.gather(*(reader.readuntil(b"to all") for reader, _ in clients))
            await client.post("/told", json={"title": "to all"})
            answered = time.perf_counter()
            await arrive
            print(f"  one change to all of them: {(time.perf_counter() - answered) * 1000:.0f} ms")


async def cost_and_delays(server: Server, client: httpx2.AsyncClient, changes: int) -> None:
    await cost(client, changes)
    told("commit to client", await delays(server.port, client, changes))


async def measure(stage: Stage, server: Server, count: int) -> None:
    url = f"http://127.0.0.1:{server.port}"
    async with httpx2.AsyncClient(base_url=url, timeout=60) as client:
        await stage(server, client, count)


def serve(database_url: str, stage: Stage, count: int) -> None:
    """Measure with a server of its own: what another has left in memory would be used again."""
    with tempfile.TemporaryDirectory() as folder:
        migrations.upgrade(database_url, Path(folder))
        (Path(folder) / "served.py").write_text(APP)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        # Of a client that is sent away uvicorn says, as an error, that its response was not completed.
        command = [
            sys.executable,
            "-m",
            "uvicorn",
            "served:app",
            "--port",
            str(port),
            "--log-level",
            "critical",
        ]
        environment = {**os.environ, "DATABASE_URL": database_url}
        log = Path(folder) / "log"
        with (
            log.open("w") as output,
            subprocess.Popen(command, cwd=folder, env=environment, stdout=output) as process,
        ):
            try:
                _wait(port, process)
                asyncio.run(measure(stage, Server(port, process.pid, log), count))
            finally:
                process.kill()


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
    parser.add_argument("--subscribers", type=int, default=2000)
    asked = parser.parse_args()
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))  # of the server too: a socket is a file
    for database in asked.database:
        print(f"{database}:")
        with ExitStack() as stack:
            if database == "sqlite":
                folder = stack.enter_context(tempfile.TemporaryDirectory())
                url = f"sqlite:///{folder}/bench.db"
            else:
                url = stack.enter_context(postgres.PostgresServer(durable=True)).create_database()
            serve(url, cost_and_delays, asked.changes)
            serve(url, idle, asked.subscribers)
            serve(url, beside_a_slow_one, asked.changes)
            serve(url, memory_of_slow_ones, 0)


if __name__ == "__main__":
    main()
