"""The pool, shared by sessions and by statements that borrow a connection: nothing of it is ever lost."""

import asyncio
import logging
import select
import socket
import time
from collections.abc import AsyncIterator
from itertools import chain
from types import SimpleNamespace
from typing import Any

import asyncpg
import pytest
from sqlalchemy import Engine, event, text
from sqlalchemy.dialects.postgresql.asyncpg import AsyncAdapt_asyncpg_connection
from sqlalchemy.pool import AsyncAdaptedQueuePool, Pool, QueuePool
from sqlalchemy.util import greenlet_spawn

from stanchion.database import Database, DatabaseUnavailableError, engine, lending, liveness
from stanchion.database.lending import LendingPool
from stanchion.database.ready import Ready
from stanchion.testing.postgres import PostgresServer

pytestmark = pytest.mark.anyio

SIZE = 2
_LONG = {
    "sqlite": "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {} * 1000000) "
    "SELECT count(*) FROM n",
    "postgresql": "SELECT pg_sleep({})",
}
_OWN_PID = "SELECT pg_backend_pid()"


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """A database of either engine: of its pool one connection lies idle, and it is whole in the end."""
    database = Database(database_url, pool_size=SIZE)
    await fetch(database, "SELECT 1")
    yield database
    await assert_whole(database)
    await database.close()


@pytest.fixture
async def on_postgresql(postgresql_url: str) -> AsyncIterator[Database]:
    """The same on PostgreSQL alone."""
    database = Database(postgresql_url, pool_size=SIZE)
    await fetch(database, "SELECT 1")
    yield database
    await assert_whole(database)
    await database.close()


@pytest.fixture
async def other(postgresql_url: str) -> AsyncIterator[Database]:
    """The same database for somebody else."""
    other = Database(postgresql_url)
    yield other
    await other.close()


@pytest.fixture
def connects(monkeypatch: pytest.MonkeyPatch) -> list[Pool]:
    """The pools that were asked for a connection as SQLAlchemy asks."""
    connects: list[Pool] = []
    connect = LendingPool.connect

    def noted(self: LendingPool) -> Any:
        connects.append(self)
        return connect(self)

    monkeypatch.setattr(LendingPool, "connect", noted)
    return connects


@pytest.fixture
def closed(database: Database) -> list[object]:
    """The connections that were closed."""
    closed: list[object] = []
    event.listen(database.engine.sync_engine, "close", lambda connection, _: closed.append(connection))
    return closed


@pytest.fixture
def pings(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """The connections that were asked whether they live."""
    pings: list[object] = []
    ping = AsyncAdapt_asyncpg_connection.ping

    def noted(self: Any) -> None:
        pings.append(self)
        ping(self)  # type: ignore[no-untyped-call] # of SQLAlchemy

    monkeypatch.setattr(AsyncAdapt_asyncpg_connection, "ping", noted)
    return pings


async def fetch(database: Database, sql: str) -> Any:
    """Return the first value that a statement gives past SQLAlchemy."""
    rows = await database.direct.fetch(Ready(sql, ()), {})
    return rows[0][0] if rows else None


def long(database: Database, seconds: float = 0.2) -> "asyncio.Task[Any]":
    """Begin a statement that takes about so long."""
    return asyncio.create_task(fetch(database, _LONG[database.engine.dialect.name].format(seconds)))


def pool_of(database: Database) -> QueuePool:
    pool = database.engine.pool
    assert isinstance(pool, QueuePool)
    return pool


async def taken(database: Database, number: int) -> None:
    """Wait until so many connections are out of the pool."""
    for turn in range(10_000):
        if pool_of(database).checkedout() == number:
            return
        await asyncio.sleep(0 if turn < 100 else 0.001)
    raise AssertionError(pool_of(database).status())


async def is_open(database: Database, pid: int) -> bool:
    """Tell whether a connection is open, as the server says."""
    for _ in range(200):  # its process there ends a moment after it
        if not (is_open := await fetch(database, f"SELECT true FROM pg_stat_activity WHERE pid = {pid}")):
            break
        await asyncio.sleep(0.01)
    return bool(is_open)


async def assert_whole(database: Database) -> None:
    """Take as many connections as the pool may give, and give them back."""
    pool = pool_of(database)
    assert pool.checkedout() == 0
    together = asyncio.Barrier(2 * SIZE)

    async def take() -> None:
        async with database.read() as session:
            await session.execute(text("SELECT 1"))
            await together.wait()

    async with asyncio.timeout(10):
        await asyncio.gather(*(take() for _ in range(2 * SIZE)))
    assert (pool.checkedin(), pool.checkedout(), pool.overflow()) == (SIZE, 0, 0)


async def test_what_is_idle_is_lent_and_counted(database: Database, connects: list[Pool]) -> None:
    statement = long(database)
    await taken(database, 1)
    assert pool_of(database).status() == (
        "Pool size: 2  Connections in pool: 0 Current Overflow: -1 Current Checked out connections: 1"
    )
    await statement
    assert pool_of(database).checkedin() == 1
    assert connects == []
    async with database.read() as session:
        await session.execute(text("SELECT 1"))
    assert connects == [pool_of(database)]


async def test_a_second_is_opened_where_the_first_is_lent(
    on_postgresql: Database, connects: list[Pool]
) -> None:
    first, second = await asyncio.gather(
        *(fetch(on_postgresql, "SELECT pg_backend_pid() FROM pg_sleep(0.05)") for _ in range(2))
    )
    assert first != second
    assert len(connects) == 1
    used = {await fetch(on_postgresql, _OWN_PID) for _ in range(4)}
    assert len(used) == 1  # the one that came back last
    assert used < {first, second}
    assert len(connects) == 1


async def test_who_leaves_in_the_middle_takes_no_place_with_him(
    database: Database, connects: list[Pool]
) -> None:
    for _ in range(100 // SIZE):
        await asyncio.gather(*(long(database, 0.001) for _ in range(SIZE)))
        connects.clear()
        statements = [long(database, 0.02) for _ in range(SIZE)]
        await taken(database, SIZE)
        for one in statements:
            one.cancel()
        await asyncio.wait(statements)
        assert all(one.cancelled() for one in statements)
        assert connects == [], "they were lent"
        assert pool_of(database).checkedout() == 0
    assert await fetch(database, "SELECT 7") == 7


@pytest.mark.parametrize("is_lent", [True, False])
async def test_who_is_cancelled_again_while_that_ends_takes_no_place_with_him(
    database: Database, is_lent: bool
) -> None:
    if not is_lent:
        event.listen(database.engine.sync_engine, "checkin", lambda *_: None)
    statement = long(database)
    await taken(database, 1)
    for _ in range(5):
        statement.cancel()
        await asyncio.sleep(0)
    await asyncio.wait([statement])
    assert statement.cancelled()
    await taken(database, 0)


async def test_the_server_is_told_that_nobody_waits(on_postgresql: Database) -> None:
    own = await fetch(on_postgresql, _OWN_PID)
    statement = long(on_postgresql, 30)
    await taken(on_postgresql, 1)
    await asyncio.sleep(0.1)
    statement.cancel()
    await asyncio.wait([statement])
    assert not await is_open(on_postgresql, own)


async def test_what_no_driver_should_raise_takes_no_place(
    on_postgresql: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fetch_in_vain(*_: object) -> None:
        raise MemoryError

    own = await fetch(on_postgresql, _OWN_PID)
    with monkeypatch.context() as patched:
        patched.setattr(asyncpg.Connection, "fetch", fetch_in_vain)
        with pytest.raises(MemoryError):
            await fetch(on_postgresql, "SELECT 7")
    assert pool_of(on_postgresql).checkedout() == 0
    assert await fetch(on_postgresql, _OWN_PID) != own


async def test_sessions_and_statements_share_it_and_nobody_starves(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "_POOL_TIMEOUT", 30)
    database = Database(database_url, pool_size=SIZE)
    done: list[str] = []

    async def borrow() -> None:
        for _ in range(50):
            assert await fetch(database, "SELECT 7") == 7
            done.append("borrowed")

    async def read() -> None:
        for _ in range(10):
            async with database.read() as session:
                assert await session.scalar(text("SELECT 7")) == 7
                assert pool_of(database).checkedout() <= 2 * SIZE
            done.append("read")

    async with asyncio.timeout(60):
        await asyncio.gather(*(borrow() for _ in range(8)), *(read() for _ in range(8)))
    assert (done.count("borrowed"), done.count("read")) == (400, 80)
    await assert_whole(database)
    await database.close()


async def test_one_that_is_too_many_when_it_comes_back_is_closed(
    database: Database, closed: list[object]
) -> None:
    pool = pool_of(database)
    assert isinstance(pool, LendingPool)
    loan = pool.lend()
    assert loan is not None
    async with database.read() as one, database.read() as other:
        for session in (one, other):
            await session.execute(text("SELECT 1"))
        assert pool.overflow() == 1
    assert not loan.give_back()
    assert closed == []
    await greenlet_spawn(loan.close)
    assert (pool.checkedin(), pool.overflow()) == (SIZE, 0)
    assert len(closed) == 1


async def test_it_is_disposed_of_while_one_is_lent(
    database: Database, closed: list[object], caplog: pytest.LogCaptureFixture
) -> None:
    before = pool_of(database)
    statement = long(database)
    await taken(database, 1)
    await database.engine.dispose()
    assert pool_of(database) is not before
    assert closed == []
    await statement
    assert len(closed) == 1
    assert caplog.text == ""
    assert await fetch(database, "SELECT 7") == 7


async def test_it_is_disposed_of_while_a_session_is_open(database: Database, closed: list[object]) -> None:
    async with database.read() as session:
        await session.execute(text("SELECT 1"))
        await database.engine.dispose()
        assert await session.scalar(text("SELECT 7")) == 7
        assert closed == []
    assert len(closed) == 1


async def test_a_connection_that_is_lost_in_the_middle(on_postgresql: Database) -> None:
    own = await fetch(on_postgresql, _OWN_PID)
    statement = asyncio.create_task(fetch(on_postgresql, "SELECT 7 FROM pg_sleep(30)"))
    await taken(on_postgresql, 1)
    async with on_postgresql.transaction() as session:
        await session.execute(text(f"SELECT pg_terminate_backend({own})"))
    assert await statement is None
    assert pool_of(on_postgresql).checkedout() == 0
    assert await fetch(on_postgresql, _OWN_PID) != own


async def test_a_write_whose_connection_is_lost_is_told(on_postgresql: Database) -> None:
    with pytest.raises(DatabaseUnavailableError):
        await on_postgresql.direct.write([Ready("SELECT pg_terminate_backend(pg_backend_pid())", ())], {})
    assert await fetch(on_postgresql, "SELECT 7") == 7


async def test_one_that_is_lost_while_it_lies_idle(on_postgresql: Database, other: Database) -> None:
    own = await fetch(on_postgresql, _OWN_PID)
    await fetch(other, f"SELECT pg_terminate_backend({own})")
    assert not await is_open(other, own)
    await asyncio.sleep(0.05)
    pairs = [socket.socketpair() for _ in range(8)]  # one of them has the number of its socket now
    assert await on_postgresql.direct.write([Ready("SELECT 7", ())], {}) == [(7,)]
    for one in chain.from_iterable(pairs):
        one.close()


@pytest.mark.postgres
async def test_a_server_that_began_anew_is_seen_before_the_loop_has_turned() -> None:
    with PostgresServer() as server:
        database = Database(server.create_database(), pool_size=SIZE)
        assert await fetch(database, "SELECT 7") == 7
        server.restart()
        assert await fetch(database, "SELECT 7") == 7
        assert pool_of(database).checkedout() == 0
        await database.close()


async def test_one_that_lay_idle_for_long_is_asked(
    on_postgresql: Database, pings: list[object], monkeypatch: pytest.MonkeyPatch
) -> None:
    own = await fetch(on_postgresql, _OWN_PID)
    now = time.monotonic()
    monkeypatch.setattr(liveness, "time", SimpleNamespace(monotonic=lambda: now))
    for seconds, asked in ((9, 0), (9, 0), (11, 1), (9, 1)):
        now += seconds
        assert await fetch(on_postgresql, _OWN_PID) == own
        assert len(pings) == asked


async def test_where_the_socket_cannot_be_looked_at_each_is_asked(
    postgresql_url: str, pings: list[object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(select, "poll", raising=False)
    monkeypatch.setattr(liveness, "_FRESH", -1)
    database = Database(postgresql_url, pool_size=SIZE)
    assert [await fetch(database, "SELECT 7") for _ in range(3)] == [7] * 3
    assert len(pings) == 2
    await database.close()


async def test_one_in_doubt_is_not_lost_where_nobody_asks_it(
    on_postgresql: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = await fetch(on_postgresql, _OWN_PID)
    pool = pool_of(on_postgresql)
    assert isinstance(pool, LendingPool)
    with monkeypatch.context() as patched:
        patched.setattr(liveness, "_IDLE", -1)
        assert pool.lend() is None
    assert pool.lend() is None
    assert await fetch(on_postgresql, _OWN_PID) == own
    assert pool.checkedout() == 0


async def test_one_that_is_not_to_be_used_again_is_made_anew(on_postgresql: Database) -> None:
    own = await fetch(on_postgresql, _OWN_PID)
    async with on_postgresql.engine.connect() as connection:
        assert await connection.scalar(text(_OWN_PID)) == own
        (await connection.get_raw_connection()).invalidate(soft=True)
    assert await fetch(on_postgresql, _OWN_PID) != own


async def test_all_are_made_anew_where_a_session_has_lost_one(
    on_postgresql: Database, other: Database
) -> None:
    sql = "SELECT pg_backend_pid() FROM pg_sleep(0.05)"
    pids = set(await asyncio.gather(fetch(on_postgresql, sql), fetch(on_postgresql, sql)))
    with pytest.raises(DatabaseUnavailableError):  # noqa: PT012 (the session ends in it)
        async with on_postgresql.read() as session:
            lost = await session.scalar(text(_OWN_PID))
            await fetch(other, f"SELECT pg_terminate_backend({lost})")
            await session.execute(text("SELECT 1"))
    assert lost in pids
    assert not pids & {await fetch(on_postgresql, _OWN_PID) for _ in range(4)}


@pytest.mark.parametrize(("option", "value", "ends"), [("_recycle", 0, 1), ("_pre_ping", True, 0)])
async def test_what_the_pool_was_told_to_do_with_each_is_done(
    database: Database,
    connects: list[Pool],
    closed: list[object],
    monkeypatch: pytest.MonkeyPatch,
    option: str,
    value: object,
    ends: int,
) -> None:
    monkeypatch.setattr(pool_of(database), option, value)
    assert await fetch(database, "SELECT 7") == 7
    assert (len(connects), len(closed)) == (1, ends)


@pytest.mark.parametrize("name", ["checkout", "checkin", "reset"])
@pytest.mark.parametrize("everywhere", [False, True])
async def test_who_listens_to_the_pool_is_told(database: Database, name: str, everywhere: bool) -> None:
    told: list[str] = []

    def listen(*_: object) -> None:
        told.append(name)

    target: type[Pool] | Engine = Pool if everywhere else database.engine.sync_engine
    event.listen(target, name, listen)
    try:
        for number in range(1, 3):
            await fetch(database, "SELECT 1")
            assert len(told) == number
    finally:
        event.remove(target, name, listen)
    await fetch(database, "SELECT 1")
    assert len(told) == 2


async def test_who_listens_to_the_log_is_told(database: Database, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG, logger="sqlalchemy.pool"):
        await fetch(database, "SELECT 1")
    assert "checked out from pool" in caplog.text


async def test_no_transaction_is_left(database: Database, connects: list[Pool]) -> None:
    assert await fetch(database, "SELECT 7") == 7
    assert await fetch(database, "SELECT nothing FROM nowhere") is None
    assert connects == []
    async with database.engine.connect() as connection:
        driver: Any = (await connection.get_raw_connection()).driver_connection
        is_sqlite = database.engine.dialect.name == "sqlite"
        assert not (driver.in_transaction if is_sqlite else driver.is_in_transaction())


async def test_no_setting_is_left(on_postgresql: Database) -> None:
    sql = "SELECT string_agg(name || setting, ',' ORDER BY name) FROM pg_settings WHERE source = 'session'"
    before = await fetch(on_postgresql, sql)
    assert before.count(",") + 1 == len(engine.PATIENCE)
    create = Ready("CREATE TABLE lending_things (id bigint)", ())
    assert await on_postgresql.direct.write([create], {}) == []
    wrong = Ready("INSERT INTO lending_things VALUES ('no')", ())
    assert await on_postgresql.direct.write([wrong], {}) is None
    assert await fetch(on_postgresql, sql) == before


async def test_on_another_sqlalchemy_nothing_is_lent(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lending, "PROVEN_ON", ())
    database = Database(database_url, pool_size=SIZE)
    assert type(database.engine.pool) is AsyncAdaptedQueuePool
    assert [await fetch(database, "SELECT 7") for _ in range(3)] == [7] * 3
    await assert_whole(database)
    await database.close()
