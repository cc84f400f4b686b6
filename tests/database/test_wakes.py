"""Wakes: a commit wakes who waits, in every process; a rollback does not; a lost connection is made again."""

import asyncio
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator
from unittest.mock import patch

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from stanchion.database import Database, notify

pytestmark = pytest.mark.anyio

LONG = 20.0
"""Seconds after which a test has failed."""
SHORT = 0.2
"""Seconds in which nothing may come."""


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    database = Database(database_url)
    async with database.engine.begin() as connection:
        await connection.execute(text("CREATE TABLE things (id INTEGER)"))
    yield database
    await database.close()


async def write(database: Database, topic: str = "things") -> None:
    async with database.transaction() as session:
        await session.execute(text("INSERT INTO things VALUES (1)"))
        await notify(session, topic)


async def test_a_commit_wakes(database: Database) -> None:
    async with database.wakes.listening("things") as wake:
        assert await wake.wait(LONG)  # the listener has begun
        for _ in range(3):
            await write(database)
            assert await wake.wait(LONG)


async def test_it_is_quiet_where_nothing_is_written(database: Database) -> None:
    async with database.wakes.listening("things") as wake:
        assert await wake.wait(LONG)
        assert not await wake.wait(SHORT)


async def test_what_is_rolled_back_wakes_nobody(database: Database) -> None:
    async with database.wakes.listening("things") as wake:
        assert await wake.wait(LONG)
        async with database.transaction() as session:
            await session.execute(text("INSERT INTO things VALUES (1)"))
            await notify(session, "things")
            await session.rollback()
        assert not await wake.wait(SHORT)


async def test_a_wake_between_two_waits_is_kept(database: Database) -> None:
    async with database.wakes.listening("things") as wake, database.wakes.listening("things") as other:
        assert await wake.wait(LONG)
        assert await other.wait(LONG)
        await write(database)
        assert await other.wait(LONG)
        assert await wake.wait(0)


async def test_each_topic_wakes_its_own(postgresql_url: str) -> None:
    database = Database(postgresql_url)
    async with database.wakes.listening("a") as a, database.wakes.listening("b") as b:
        assert await a.wait(LONG)
        assert await b.wait(LONG)
        async with database.transaction() as session:
            await notify(session, "a")
        assert await a.wait(LONG)
        assert not await b.wait(SHORT)
    await database.close()


async def test_it_is_notified_once_for_a_transaction_and_a_topic(postgresql_url: str) -> None:
    database = Database(postgresql_url)
    async with database.transaction() as session:
        first = await counted(session, "a", "a", "b", "a")
        async with session.begin_nested() as savepoint:
            inside = await counted(session, "a", "a")
            await savepoint.rollback()
        after = await counted(session, "a")
    async with database.transaction() as session:
        later = await counted(session, "a")
    assert (first, inside, after, later) == (2, 1, 1, 1)
    await database.close()


async def counted(session: AsyncSession, *topics: str) -> int:
    """Return how many statements the notifications were."""
    with patch.object(session, "execute", wraps=session.execute) as execute:
        for topic in topics:
            await notify(session, topic)
    return execute.call_count


async def test_a_savepoint_that_is_rolled_back_takes_no_wake_away(postgresql_url: str) -> None:
    database = Database(postgresql_url)
    async with database.wakes.listening("a") as wake:
        assert await wake.wait(LONG)
        async with database.transaction() as session:
            async with session.begin_nested() as savepoint:
                await notify(session, "a")
                await savepoint.rollback()
            await notify(session, "a")
        assert await wake.wait(LONG)
    await database.close()


async def test_another_process_wakes_too(database: Database, database_url: str) -> None:
    program = (
        "import asyncio, sys\n"
        "from stanchion.database import Database, notify\n"
        "from sqlalchemy import text\n"
        "async def main():\n"
        "    async with Database(sys.argv[1]).transaction() as session:\n"
        "        await session.execute(text('INSERT INTO things VALUES (1)'))\n"
        "        await notify(session, 'things')\n"
        "asyncio.run(main())\n"
    )
    async with database.wakes.listening("things") as wake:
        assert await wake.wait(LONG)
        command = [sys.executable, "-c", program, database_url]
        await asyncio.to_thread(subprocess.run, command, check=True, timeout=LONG)
        assert await wake.wait(LONG)


async def test_a_lost_connection_is_made_again(postgresql_url: str) -> None:
    database = Database(postgresql_url)
    async with database.wakes.listening("things") as wake:
        assert await wake.wait(LONG)
        async with database.transaction() as session:
            ended = await session.scalar(
                text(
                    "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
                    "WHERE datname = current_database() AND query LIKE 'LISTEN%'"
                )
            )
        assert ended == 1
        assert await wake.wait(LONG)  # told to look, and again when it listens
        assert await wake.wait(LONG)
        async with database.transaction() as session:
            await notify(session, "things")
        assert await wake.wait(LONG)
    await database.close()


async def test_the_listener_ends_with_the_last_who_waits(database: Database) -> None:
    def listeners() -> list[asyncio.Task[object]]:
        return [task for task in asyncio.all_tasks() if task.get_name() == "stanchion.wakes"]

    async with database.wakes.listening("things"):
        async with database.wakes.listening("things"):
            assert len(listeners()) == 1
        assert len(listeners()) == 1
    assert listeners() == []
    async with database.wakes.listening("things") as wake:  # and begins anew
        assert await wake.wait(LONG)


async def test_without_notify_it_is_time_to_look_four_times_a_second(postgresql_url: str) -> None:
    database = Database(postgresql_url, notify=False)
    async with database.transaction() as session:
        assert await counted(session, "things") == 0
    async with database.wakes.listening("things") as wake:
        assert not await wake.wait(LONG * 1000)
    await database.close()


async def test_a_file_that_cannot_be_opened_is_tried_again(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = Database(sqlite_url)
    connect, tried = sqlite3.connect, []

    def refuse(*args: object, **options: object) -> sqlite3.Connection:
        tried.append(args)
        if len(tried) < 3:
            raise sqlite3.OperationalError("unable to open database file")
        return connect(*args, **options)  # type: ignore[call-overload,no-any-return] # passed on as it came

    monkeypatch.setattr(sqlite3, "connect", refuse)
    async with database.wakes.listening("things") as wake:
        while len(tried) < 3:
            assert await wake.wait(LONG)
    await database.close()
