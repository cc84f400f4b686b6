"""The feed under fire: servers are killed while many write and follow; each change arrives once, in order."""

import asyncio
import random
import subprocess
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest
from sqlalchemy import text
from tests.backend import Backend
from tests.chaos.feed import Subscriber, connect
from tests.serving import free_port

from stanchion import Database
from stanchion.database.changes import Change
from stanchion.errors import DomainError
from stanchion.events import Events

pytestmark = pytest.mark.anyio

SERVERS, SUBSCRIBERS, WRITERS, CHANGES = 3, 30, 8, 20_000
HOT = 20
"""Rows that everybody changes."""
KILL_EVERY = 4.0
LONG = 300.0
IDLE = 2000
KILOBYTES = 40
"""What an idle subscriber may cost."""


@asynccontextmanager
async def killed_now_and_then(servers: list[Backend]) -> AsyncIterator[list[int]]:
    """Serve in this block; every few seconds one is killed with -9, and another process takes its place."""
    killed: list[int] = []
    with ExitStack() as stack:
        running: dict[str, tuple[Any, subprocess.Popen[bytes]]] = {}

        def start(server: Backend) -> None:
            serving = server.serving()
            running[server.url] = serving, serving.__enter__()

        def stop_all() -> None:
            for serving, _ in running.values():
                serving.__exit__(None, None, None)

        stack.callback(stop_all)
        for server in servers:
            start(server)

        async def kill() -> None:
            while True:
                await asyncio.sleep(KILL_EVERY * random.uniform(0.5, 1.5))
                server = random.choice(servers)
                serving, process = running[server.url]
                process.kill()
                process.wait()
                killed.append(process.pid)
                await asyncio.to_thread(serving.__exit__, None, None, None)
                await asyncio.to_thread(start, server)

        killer = asyncio.create_task(kill())
        try:
            yield killed
        finally:
            killer.cancel()
            await asyncio.wait([killer])


class Writer:
    """Changes rows, half of them through a server, half in transactions of its own that take their time."""

    def __init__(self, database: Database, servers: list[Backend], rows: list[int]) -> None:
        self.database, self.servers, self.rows = database, servers, rows
        self.events = Events(database)

    async def by_http(self, numbers: Iterator[int]) -> None:
        async with httpx2.AsyncClient(headers=self.servers[0].headers, timeout=30) as client:
            for number in numbers:
                server = random.choice(self.servers)
                try:
                    if number % 2:
                        await client.post(f"{server.url}/api/todos", json={"title": str(number)})
                    else:
                        path = f"/api/todos/{random.choice(self.rows)}"
                        await client.patch(server.url + path, json={"title": str(number)})
                except httpx2.TransportError:
                    await asyncio.sleep(0.05)  # it was killed; whether it committed, its log says

    async def by_hand(self, numbers: Iterator[int]) -> None:
        for _ in numbers:
            try:
                async with self.database.transaction() as session:
                    if random.random() < 0.3:  # it has a number long before it tells of anything
                        await self._other(session)
                    row = random.choice(self.rows)
                    raised = "UPDATE todos SET version = version + 1 WHERE id = :id RETURNING version"
                    version = await session.scalar(text(raised), {"id": row})
                    change = Change(str(row), '{"by": "hand"}', version=version)
                    await self.events.append_all(session, "todo", "updated", [change])
                    if self.database.engine.dialect.name != "sqlite":
                        await asyncio.sleep(random.choice((0, 0, 0, 0.002, 0.02)))
                    if random.random() < 0.2:
                        await session.rollback()
            except DomainError:
                await asyncio.sleep(0.01)  # busy: nothing was written

    async def _other(self, session: Any) -> None:
        if self.database.engine.dialect.name == "sqlite":
            await session.execute(text("UPDATE todos SET version = version WHERE id = 0"))
        else:
            await session.execute(text("SELECT pg_current_xact_id()"))
            await asyncio.sleep(0.005)


class Control:
    """A reader that is not ours: by place alone, or by transaction."""

    def __init__(self, database: Database, *, by_transaction: bool) -> None:
        self.database, self.by_transaction = database, by_transaction
        self.last: tuple[int, int] = (0, 0)
        self.read: list[tuple[int, str, int | None]] = []

    async def look(self) -> None:
        place, after, order = "0", "id > :place", "id"
        if self.by_transaction:
            place, order = "xid::text::bigint", "xid, id"
            after = (
                "(xid, id) > (CAST(CAST(:number AS text) AS xid8), CAST(:place AS bigint))"
                " AND xid < pg_snapshot_xmin(pg_current_snapshot())"
            )
        # Two of its columns are its own; which they are is above.
        query = text(
            f"SELECT {place}, id, key, version FROM stanchion_events "
            f"WHERE topic = 'todo' AND {after} ORDER BY {order}"
        )
        values: dict[str, Any] = {"place": self.last[1]}
        if self.by_transaction:
            values["number"] = str(self.last[0])
        async with self.database.read() as session:
            for number, found, key, version in await session.execute(query, values):
                self.last = (number, found)
                self.read.append((found, key, version))

    async def run(self) -> None:
        while True:
            await self.look()
            await asyncio.sleep(0.001)


async def truth(database: Database) -> list[tuple[int, str, int | None]]:
    query = "SELECT id, key, version FROM stanchion_events WHERE topic = 'todo' ORDER BY id"
    async with database.read() as session:
        return [(row[0], row[1], row[2]) for row in await session.execute(text(query))]


def inversions(read: list[tuple[int, str, int | None]]) -> int:
    """Return how often a row's version does not rise."""
    last: dict[str, int] = defaultdict(int)
    found = 0
    for _, key, version in read:
        found += (version or 0) <= last[key]
        last[key] = version or 0
    return found


@pytest.mark.timeout(3000)
async def test_each_change_once_and_in_order(durable: Backend, tmp_path: Path) -> None:
    servers = [durable]
    for number in range(1, SERVERS):
        directory = tmp_path / str(number)
        directory.mkdir()
        url = f"http://127.0.0.1:{free_port()}"
        servers.append(Backend(url, durable.database_url, directory, durable.key))
    database = Database(durable.database_url)
    is_sqlite = database.engine.dialect.name == "sqlite"
    controls = [] if is_sqlite else [Control(database, by_transaction=one) for one in (False, True)]
    subscribers = [Subscriber(servers) for _ in range(SUBSCRIBERS)]
    async with AsyncExitStack() as stack:
        stack.push_async_callback(database.close)
        killed = await stack.enter_async_context(killed_now_and_then(servers))
        readers: list[Subscriber | Control] = [*subscribers, *controls]
        tasks = [asyncio.create_task(one.run()) for one in readers]

        async def end() -> None:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)

        stack.push_async_callback(end)
        await until(lambda: all(one.last for one in subscribers))
        async with httpx2.AsyncClient(headers=durable.headers, timeout=30) as client:
            body = [{"title": str(number)} for number in range(HOT)]
            while True:
                try:
                    made = await client.post(f"{random.choice(servers).url}/api/todos/bulk", json=body)
                    break
                except httpx2.TransportError:
                    await asyncio.sleep(0.1)
        rows = [one["id"] for one in made.json()]
        writer = Writer(database, servers, rows)
        numbers = iter(range(CHANGES))
        work = [writer.by_http(numbers) for _ in range(WRITERS // 2)]
        await asyncio.gather(*work, *(writer.by_hand(numbers) for _ in range(WRITERS // 2)))
        committed = await truth(database)
        async with asyncio.timeout(LONG):
            while any(not one.read or one.read[-1] != committed[-1] for one in subscribers):
                assert not [task for task in tasks if task.done()], [
                    task.exception() for task in tasks if task.done()
                ]
                await asyncio.sleep(0.1)
        for control in controls:
            await control.look()
    assert killed
    assert len(committed) > CHANGES // 2
    assert inversions(committed) == 0
    for one in subscribers:
        assert not one.reset
        assert one.read == committed
    assert sum(one.connected for one in subscribers) > SUBSCRIBERS, "nobody ever came back"
    for control in controls:
        if control.by_transaction:
            assert set(control.read) == set(committed)
            assert inversions(control.read) > 0, "ordering by transaction would have done"
        else:
            assert set(control.read) < set(committed), "reading by place alone would have done"


async def until(holds: Callable[[], object]) -> None:
    """Wait for what other processes bring about."""
    async with asyncio.timeout(LONG):
        while not holds():  # noqa: ASYNC110 - nobody here could set an Event
            await asyncio.sleep(0.05)


def memory(process: "subprocess.Popen[bytes]") -> int:
    """Return the kilobytes that a process has in memory, alone."""
    status = Path(f"/proc/{process.pid}/status").read_text().splitlines()
    return int(next(line for line in status if line.startswith("VmRSS")).split()[1])


@pytest.mark.timeout(600)
async def test_idle_and_slow_subscribers_cost_little(durable: Backend) -> None:
    with durable.serving() as server:
        writers = []
        async with httpx2.AsyncClient(headers=durable.headers, base_url=durable.url, timeout=60) as client:
            for number in range(20):  # what is loaded once is
                await client.post("/api/todos", json={"title": str(number)})
            writers += [(await connect(durable))[1] for _ in range(50)]
            await asyncio.sleep(1)
            before = memory(server)
            for some in _hundreds():
                found = await asyncio.gather(*(connect(durable) for _ in some))
                await asyncio.gather(*(reader.readuntil(b"\n\n") for reader, _ in found))
                writers += [writer for _, writer in found]
            await asyncio.sleep(1)
            each = (memory(server) - before) / IDLE
            for writer in writers:
                writer.close()
            assert each < KILOBYTES, f"{each:.1f} KB"

            # One reads a byte a second, the other what comes: that one has it all, and nothing grows.
            (slow, slow_writer), quick = await connect(durable, limit=16), Subscriber([durable])
            following = asyncio.create_task(quick.run())
            await until(lambda: quick.last)
            before = memory(server)

            async def drip() -> None:
                while await slow.read(1):  # noqa: ASYNC110 - it is to be as slow as that
                    await asyncio.sleep(1)

            dripping = asyncio.create_task(drip())
            for number in range(60):
                body = [{"title": f"{number} {one} ".ljust(200, "x")} for one in range(250)]
                (await client.post("/api/todos/bulk", json=body)).raise_for_status()
            await until(lambda: len(quick.read) >= 60 * 250)
            grown = memory(server) - before
            for task in (following, dripping):
                task.cancel()
            await asyncio.wait([following, dripping])
            slow_writer.close()
    assert len({place for place, _, _ in quick.read}) == len(quick.read) == 60 * 250
    assert grown < 64 * 1024, f"{grown} KB"


def _hundreds() -> Iterator[range]:
    yield from (range(100) for _ in range(IDLE // 100))
