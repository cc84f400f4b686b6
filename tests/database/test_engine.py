"""Database: its transactions and their end, what begins them, and what is tried again."""

import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import anyio
import anyio.lowlevel
import pytest
from sqlalchemy import Connection, event, func, insert, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.pool import QueuePool
from starlette.requests import HTTPConnection

from stanchion.database import BigID, Database, DatabaseBusyError, DatabaseUnavailableError, engine, sqlite
from stanchion.errors import ConflictError, NotFoundError
from stanchion.testing.postgres import PostgresServer

pytestmark = pytest.mark.anyio


class Base(DeclarativeBase): ...


class Thing(Base):
    __tablename__ = "things"

    id: Mapped[int] = mapped_column(BigID, primary_key=True)
    name: Mapped[str] = mapped_column(unique=True)


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite, "BUSY_TIMEOUT", 0.05)
    monkeypatch.setattr(engine, "_POOL_TIMEOUT", 0.05)


async def opened(url: str, pool_size: int = 2) -> Database:
    database = Database(url, pool_size=pool_size)
    async with database.engine.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)
    return database


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    database = await opened(database_url)
    yield database
    assert taken(database) == 0, "a connection was not given back"
    await database.close()


@pytest.fixture
async def on_sqlite(sqlite_url: str) -> AsyncIterator[Database]:
    database = await opened(sqlite_url)
    yield database
    await database.close()


@pytest.fixture
async def on_postgresql(postgresql_url: str) -> AsyncIterator[Database]:
    database = await opened(postgresql_url)
    yield database
    assert taken(database) == 0, "a connection was not given back"
    await database.close()


def taken(database: Database) -> int:
    pool = database.engine.pool
    assert isinstance(pool, QueuePool)
    return pool.checkedout()


async def count(database: Database) -> int:
    async with database.read() as session:
        return await session.scalar(select(func.count()).select_from(Thing)) or 0


async def test_a_transaction_commits(database: Database) -> None:
    async with database.transaction() as session:
        session.add(thing := Thing(name="a"))
    assert thing.id == 1, "readable after the commit"
    assert await count(database) == 1


@pytest.mark.parametrize("error", [ValueError, NotFoundError, KeyboardInterrupt])
async def test_any_error_rolls_back(database: Database, error: type[BaseException]) -> None:
    with pytest.raises(error):  # noqa: PT012
        async with database.transaction() as session:
            await session.execute(insert(Thing).values(name="a"))
            raise error
    assert await count(database) == 0


async def test_a_session_used_after_its_end_raises(database: Database) -> None:
    async with database.transaction() as session:
        await session.execute(select(Thing))
    with pytest.raises(Exception, match="closed"):
        await session.execute(select(Thing))


async def test_cancelled_in_a_statement_gives_the_connection_back(database: Database) -> None:
    slow = "SELECT pg_sleep(30)"
    if database.url.get_backend_name() == "sqlite":
        slow = (
            "WITH RECURSIVE n AS (SELECT 1 i UNION ALL SELECT i+1 FROM n LIMIT 500000) SELECT max(i) FROM n"
        )
    with anyio.move_on_after(0.03) as scope:
        async with database.transaction() as session:
            await session.execute(insert(Thing).values(name="a"))
            await session.execute(text(slow))
            await anyio.sleep(30)
    assert scope.cancelled_caught
    assert await count(database) == 0


async def test_ping_and_close_and_again(database: Database) -> None:
    await database.ping()
    await database.close()
    await database.ping()


async def test_sqlite_takes_the_lock_for_writes_and_none_for_reads(on_sqlite: Database) -> None:
    begun: list[str] = []

    def note(connection: Connection, cursor: object, statement: str, *_: object) -> None:
        if statement.startswith("BEGIN"):
            begun.append(statement)

    event.listen(on_sqlite.engine.sync_engine, "before_cursor_execute", note)
    async with on_sqlite.transaction() as writer:
        await writer.execute(insert(Thing).values(name="a"))
        async with on_sqlite.read() as reader:
            assert await reader.scalar(select(func.count()).select_from(Thing)) == 0
        with pytest.raises(DatabaseBusyError):
            async with on_sqlite.transaction() as other:
                await other.execute(select(Thing))
    assert begun == ["BEGIN IMMEDIATE", "BEGIN", "BEGIN IMMEDIATE"]


async def test_sqlite_is_prepared(on_sqlite: Database) -> None:
    async with on_sqlite.read() as session:
        pragmas = [
            await session.scalar(text(f"PRAGMA {name}"))
            for name in ("journal_mode", "synchronous", "foreign_keys")
        ]
    assert pragmas == ["wal", 2, 1]


async def test_postgresql_is_prepared_and_reads_the_urls_own_options(postgresql_url: str) -> None:
    database = Database(f"{postgresql_url}?sslmode=disable&application_name=shop")
    async with database.read() as session:
        assert await session.scalar(text("SHOW idle_in_transaction_session_timeout")) == "1min"
        assert await session.scalar(text("SHOW application_name")) == "shop"
    await database.close()


async def test_run_returns_what_the_work_returns_and_commits(database: Database) -> None:
    async def work(session: AsyncSession) -> int:
        session.add(thing := Thing(name="a"))
        await session.flush()
        return thing.id

    assert await database.run(work) == 1
    assert await count(database) == 1


async def test_run_repeats_after_a_serialization_failure(on_postgresql: Database) -> None:
    attempts: list[str] = []
    have_read: list[str] = []
    both_have_read = anyio.Event()

    async def work(session: AsyncSession, name: str) -> None:
        attempts.append(name)
        await session.connection(execution_options={"isolation_level": "SERIALIZABLE"})
        number = await session.scalar(select(func.count()).select_from(Thing))
        have_read.append(name)
        if len(have_read) == 2:
            both_have_read.set()
        await both_have_read.wait()
        session.add(Thing(name=f"{number}"))  # unique: only one order of the two gives 0 and 1

    async with anyio.create_task_group() as tasks:
        for name in "ab":
            tasks.start_soon(on_postgresql.run, lambda session, name=name: work(session, name))
    assert len(attempts) >= 3
    async with on_postgresql.read() as session:
        assert set(await session.scalars(select(Thing.name))) == {"0", "1"}


async def test_run_repeats_after_a_deadlock(on_postgresql: Database) -> None:
    async with on_postgresql.transaction() as session:
        session.add_all([Thing(name="a"), Thing(name="b")])
    attempts: list[str] = []
    held: set[str] = set()
    both_hold_one = anyio.Event()

    async def work(session: AsyncSession, names: str) -> None:
        attempts.append(names)
        await session.execute(text("SET LOCAL deadlock_timeout = '10ms'"))
        for name in names:
            await session.execute(update(Thing).where(Thing.name == name).values(name=name))
            held.add(name)
            if len(held) == 2:
                both_hold_one.set()
            await both_hold_one.wait()

    async with anyio.create_task_group() as tasks:
        for names in ("ab", "ba"):
            tasks.start_soon(on_postgresql.run, lambda session, names=names: work(session, names))
    assert len(attempts) >= 3  # both may be told at once


async def test_run_repeats_when_sqlite_was_locked(on_sqlite: Database) -> None:
    other = sqlite3.connect(on_sqlite.url.database or "", isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    attempts: list[int] = []

    async def work(session: AsyncSession) -> None:
        attempts.append(1)
        if len(attempts) == 3:
            other.execute("COMMIT")
        session.add(Thing(name="a"))
        await session.flush()

    await on_sqlite.run(work)
    assert len(attempts) == 3
    assert await count(on_sqlite) == 1
    other.close()


async def test_run_gives_up_with_what_the_last_attempt_raised(on_sqlite: Database) -> None:
    other = sqlite3.connect(on_sqlite.url.database or "", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    attempts: list[int] = []

    async def work(session: AsyncSession) -> None:
        attempts.append(1)
        await session.execute(select(Thing))

    with pytest.raises(DatabaseBusyError):
        await on_sqlite.run(work, attempts=2)
    assert len(attempts) == 2
    other.close()


@pytest.mark.parametrize(
    "error", [ValueError(), NotFoundError(), DatabaseBusyError(), DatabaseUnavailableError()]
)
async def test_run_repeats_nothing_else(database: Database, error: Exception) -> None:
    attempts: list[int] = []

    async def work(session: AsyncSession) -> None:
        attempts.append(1)
        raise error

    with pytest.raises(type(error)):
        await database.run(work)
    assert len(attempts) == 1


async def test_run_repeats_no_violation_and_no_exhausted_pool(database: Database) -> None:
    attempts: list[int] = []

    async def work(session: AsyncSession) -> None:
        attempts.append(1)
        session.add_all([Thing(name="a"), Thing(name="a")])
        await session.flush()

    with pytest.raises(ConflictError):
        await database.run(work)
    assert len(attempts) == 1
    async with anyio.create_task_group() as tasks:
        for _ in range(4):
            await tasks.start(hold, database)
        with pytest.raises(DatabaseBusyError):
            await database.run(work)
        tasks.cancel_scope.cancel()
    assert len(attempts) == 2


async def hold(database: Database, *, task_status: anyio.abc.TaskStatus[None]) -> None:
    async with database.read() as session:
        await session.execute(select(Thing))
        task_status.started()
        await anyio.sleep_forever()


@pytest.mark.postgres
async def test_a_server_that_was_killed_is_found_again() -> None:
    with PostgresServer() as server:
        database = await opened(server.create_database())
        with pytest.raises(DatabaseUnavailableError):  # noqa: PT012
            async with database.transaction() as session:
                session.add(Thing(name="a"))
                await session.flush()
                server.kill()
                await session.execute(select(Thing))
        with pytest.raises(DatabaseUnavailableError):
            await database.ping()
        server.start()
        assert await count(database) == 0
        server.restart()
        assert await count(database) == 0, "the connection in the pool was dead"
        assert taken(database) == 0
        await database.close()


async def test_a_connection_that_was_ended_under_a_transaction(on_postgresql: Database) -> None:
    with pytest.raises(DatabaseUnavailableError):  # noqa: PT012
        async with on_postgresql.transaction() as session:
            pid = await session.scalar(text("SELECT pg_backend_pid()"))
            async with on_postgresql.read() as other:
                await other.execute(text(f"SELECT pg_terminate_backend({pid})"))
            session.add(Thing(name="a"))
    assert await count(on_postgresql) == 0


async def test_a_transaction_left_open_is_ended(postgresql_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(engine.PATIENCE, "idle_in_transaction_session_timeout", "20ms")
    database = Database(postgresql_url)
    with pytest.raises(DatabaseUnavailableError):  # noqa: PT012
        async with database.transaction() as session:
            await session.execute(text("SELECT 1"))
            await anyio.sleep(0.2)
    await database.ping()
    await database.close()


async def test_a_lock_that_is_held_is_not_waited_for_without_end(
    postgresql_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(engine.PATIENCE, "lock_timeout", "50ms")
    database = await opened(postgresql_url)
    async with database.transaction() as session:
        session.add(Thing(name="a"))
    async with database.transaction() as holder:
        await holder.execute(update(Thing).values(name="b"))
        with pytest.raises(DatabaseBusyError):
            async with database.transaction() as session:
                await session.execute(update(Thing).values(name="c"))
    assert (await names(database)) == ["b"]
    await database.close()


async def test_what_reads_cannot_write(database: Database) -> None:
    with pytest.raises(RuntimeError, match="This session is for reading"):  # noqa: PT012
        async with database.read() as session:
            session.add(Thing(name="a"))
            await session.flush()
    async with database.transaction() as session:  # the connection that was for reading
        session.add(Thing(name="b"))
    assert await names(database) == ["b"]


async def names(database: Database) -> list[str]:
    async with database.read() as session:
        return list(await session.scalars(select(Thing.name)))


@pytest.mark.parametrize(
    "option", ["channel_binding=prefer", "connect_timeout=5", "pgbouncer=true&keepalives=1"]
)
async def test_what_hosts_write_into_their_urls(postgresql_url: str, option: str) -> None:
    database = Database(f"{postgresql_url}?{option}")
    await database.ping()
    await database.close()


@pytest.mark.parametrize(
    "url", ["postgresql://ada@127.0.0.1:1/shop", "postgresql://ada@no.such.host.invalid/shop"]
)
async def test_a_server_that_is_not_there(url: str) -> None:
    with pytest.raises(DatabaseUnavailableError) as away:
        await Database(url).ping()
    assert isinstance(away.value.__cause__, OSError)


async def test_a_database_that_is_not_there(postgresql_url: str, tmp_path: Path) -> None:
    for url in (f"sqlite:///{tmp_path}/no/such/folder.db", f"{postgresql_url}x"):
        with pytest.raises(DatabaseUnavailableError):
            await Database(url).ping()


async def test_a_websocket_gets_no_session(database: Database) -> None:
    socket = HTTPConnection({"type": "websocket", "headers": []})
    with pytest.raises(RuntimeError, match=r"in a WebSocket open `transaction\(\)` per message"):
        await database.get_session(socket)
    assert taken(database) == 0


async def test_a_close_ends_what_runs_in_the_background(database: Database) -> None:
    ended: list[str] = []

    async def work(name: str) -> None:
        try:
            async with database.read() as session:
                while name == "long":
                    await session.execute(text("SELECT 1"))
        finally:
            await anyio.lowlevel.checkpoint()
            ended.append(name)

    short = database.background(work("short"), name="short")
    await short
    long = database.background(work("long"), name="long")
    await anyio.sleep(0.05)
    assert ended == ["short"]
    await database.close()
    assert ended == ["short", "long"]
    assert long.cancelled()
