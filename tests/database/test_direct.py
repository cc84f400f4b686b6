"""Direct: what it does with a write that has to wait, on both databases."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from sqlalchemy import Column, MetaData, String, Table, bindparam, insert, select, text

from stanchion.database import BigID, Database, DatabaseBusyError, engine, sqlite
from stanchion.database.ready import Ready

pytestmark = pytest.mark.anyio

metadata = MetaData()
things = Table(
    "direct_things", metadata, Column("id", BigID, primary_key=True), Column("name", String(20), unique=True)
)
_INSERT = insert(things).values(name=bindparam("new_name")).returning(things.c.name)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite, "BUSY_TIMEOUT", 0.1)
    monkeypatch.setitem(engine.PATIENCE, "lock_timeout", "100ms")


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    database = Database(database_url, pool_size=2)
    async with database.engine.begin() as connection:
        await connection.run_sync(metadata.create_all)
    yield database
    await database.close()


def write(database: Database, name: str) -> "asyncio.Task[Sequence[object] | None]":
    ready = Ready.of(_INSERT, database.direct.dialect)
    return asyncio.create_task(database.direct.write([ready], {"new_name": name}))


async def names(database: Database) -> list[str | None]:
    async with database.read() as session:
        return list(await session.scalars(select(things.c.name).order_by(things.c.id)))


@asynccontextmanager
async def locked(database: Database) -> AsyncIterator[None]:
    """Keep everybody else from writing."""
    async with database.transaction() as session:
        is_sqlite = database.engine.dialect.name == "sqlite"  # BEGIN IMMEDIATE locks the file
        await session.execute(text("SELECT 1" if is_sqlite else "LOCK TABLE direct_things"))
        yield


async def test_a_write_whose_client_leaves_while_it_waits_is_not_written(database: Database) -> None:
    async with locked(database):
        left, stayed = write(database, "left"), write(database, "stayed")
        await asyncio.wait([left, stayed], timeout=0.2)
        left.cancel()
        await asyncio.wait([left])
    assert await stayed == [("stayed",)]
    assert await write(database, "later") == [("later",)]
    assert await names(database) == ["stayed", "later"]


@pytest.mark.usefixtures("impatient")
async def test_a_lock_that_is_not_to_be_had_is_no_refusal(database: Database) -> None:
    async with locked(database):
        with pytest.raises(DatabaseBusyError):
            await write(database, "late")
    assert await write(database, "again") == [("again",)]
    assert await names(database) == ["again"]


async def test_a_row_that_is_there_already_is_a_refusal(database: Database) -> None:
    assert await write(database, "one") == [("one",)]
    assert await write(database, "one") is None
    assert await names(database) == ["one"]


async def fetch(database: Database, sql: str) -> list[tuple[object, ...]]:
    rows = await database.direct.fetch(Ready(sql, ()), {})
    return [tuple(row) for row in rows or ()]


_LONG = {
    "sqlite": "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000000) "
    "SELECT count(*) FROM n",
    "postgresql": "SELECT 3000000 FROM pg_sleep(1)",
}


async def test_who_waits_for_a_connection_is_told_in_time(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "_POOL_TIMEOUT", 0.05)
    database = Database(database_url, pool_size=1)
    first = asyncio.create_task(fetch(database, _LONG[database.engine.dialect.name]))
    await asyncio.sleep(0)
    with pytest.raises(DatabaseBusyError):
        await fetch(database, "SELECT 1")
    assert await first == [(3000000,)]
    assert await fetch(database, "SELECT 1") == [(1,)]
    await database.close()


async def test_threads_do_not_wait_for_each_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each has an event loop of its own: what is given back in one would wake nobody in the other."""
    monkeypatch.setattr(engine, "_POOL_TIMEOUT", 0.05)
    database = Database(f"sqlite:///{tmp_path / 'threads.db'}", pool_size=1)
    assert database.direct._places().take()
    assert await asyncio.to_thread(asyncio.run, fetch(database, "SELECT 1")) == [(1,)]
    await database.close()
