"""The change log: rows of the writer's own transaction, trimmed from the old end."""

import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import closing
from datetime import timedelta
from typing import Any

import pytest
import structlog
from sqlalchemy import event, func, insert, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession

from stanchion import Caller
from stanchion.database import Database, now
from stanchion.database import changes as database_changes
from stanchion.database.changes import COLUMNS, Change, Event, append, event_of, events, trim, trim_past

pytestmark = pytest.mark.anyio

OLD, KEPT = timedelta(days=8), timedelta(days=7)


@pytest.fixture
async def database(migrated_url: str) -> AsyncIterator[Database]:
    database = Database(migrated_url)
    yield database
    await database.close()


def changes(count: int) -> list[Change]:
    return [Change(str(number), f'{{"number": {number}}}') for number in range(count)]


async def stored(database: Database) -> list[Event]:
    """Return the log, without the row that each begins with."""
    async with database.read() as session:
        rows = await session.execute(select(*COLUMNS).where(events.c.topic != "").order_by(events.c.id))
        return [event_of(row) for row in rows.mappings()]


async def test_what_is_told(database: Database) -> None:
    before = now()
    with structlog.contextvars.bound_contextvars(request_id="r-1"):
        async with database.transaction() as session:
            change = Change("7", '{"title":"\\u0000 ü"}', version=3, owner_id=5, visibility="team 1")
            await append(session, "todo", "updated", [change], caller=Caller(key_id=2, user_id=5))
    (found,) = await stored(database)
    assert (found.topic, found.kind, found.key, found.version) == ("todo", "updated", "7", 3)
    assert (found.owner_id, found.visibility, found.data) == (5, "team 1", '{"title":"\\u0000 ü"}')
    assert (found.key_id, found.user_id, found.request_id) == (2, 5, "r-1")
    assert before <= found.created_at <= now()


async def test_what_is_rolled_back_is_not_told(database: Database) -> None:
    async with database.transaction() as session:
        await append(session, "todo", "created", changes(1))
        await session.rollback()
    async with database.transaction() as session:
        await append(session, "todo", "created", changes(2))
        async with session.begin_nested() as savepoint:
            await append(session, "todo", "deleted", changes(2))
            await savepoint.rollback()
    assert [(one.kind, one.key) for one in await stored(database)] == [("created", "0"), ("created", "1")]


@pytest.mark.parametrize("count", [0, 1, 300])
async def test_it_takes_one_insert_however_many(database: Database, count: int) -> None:
    statements: list[str] = []

    def note(_: Any, __: Any, statement: str, *___: Any) -> None:
        statements.append(statement.split()[0])

    event.listen(database.engine.sync_engine, "before_cursor_execute", note)
    async with database.transaction() as session:
        await append(session, "todo", "created", changes(count))
    assert [one for one in statements if one not in ("BEGIN", "PRAGMA")] == ["INSERT"] * bool(count)
    assert [one.key for one in await stored(database)] == [str(number) for number in range(count)]


async def test_a_transaction_has_its_number_before_its_place(migrated_postgresql_url: str) -> None:
    database = Database(migrated_postgresql_url)
    async with database.transaction() as session:
        asked = (
            "SELECT attname FROM pg_attribute WHERE attrelid = 'stanchion_events'::regclass AND attnum > 0"
        )
        assert (await session.scalars(text(f"{asked} ORDER BY attnum"))).all()[:2] == ["xid", "id"]
        cache = text("SELECT cache_size FROM pg_sequences WHERE sequencename = 'stanchion_events_id_seq'")
        assert await session.scalar(cache) == 1
        await append(session, "todo", "created", changes(3))
        told = text(
            "SELECT DISTINCT xid::text, pg_current_xact_id()::text FROM stanchion_events WHERE topic != ''"
        )
        (row,) = (await session.execute(told)).all()
        assert row[0] == row[1]
    await database.close()


async def test_a_mark_tells_events_apart(database: Database) -> None:
    async with database.transaction() as session:
        await append(session, "todo", "created", changes(2))
    one, other = await stored(database)
    again, _ = await stored(database)
    assert len(one.mark) == 8
    assert one.mark == again.mark != other.mark


async def fill(database: Database, count: int) -> list[int]:
    async with database.transaction() as session:
        await append(session, "todo", "created", changes(count))
    return [one.id for one in await stored(database)]


async def age(database: Database, *places: int) -> None:
    """Let events be a day older than they are kept, and the row that the log begins with too."""
    async with database.transaction() as session:
        old = update(events).where(events.c.id.in_([1, *places])).values(created_at=now() - OLD)
        await session.execute(old)


Trim = Callable[..., Awaitable[int]]


@pytest.fixture(params=["by a session", "past it"])
def trimmed(request: pytest.FixtureRequest, database: Database) -> Trim:
    """Trims in one of the two ways, and counts what has gone."""

    async def count() -> int:
        async with database.read() as session:
            return await session.scalar(select(func.count()).select_from(events)) or 0

    async def trims(max_age: timedelta = KEPT, max_count: int = 100, at_once: int = 100) -> int:
        limits: dict[str, Any] = {"max_age": max_age, "max_count": max_count, "at_once": at_once}
        before = await count()
        if request.param == "past it":
            await trim_past(database.direct, **limits)
            return before - await count()
        async with database.transaction() as session:
            gone = await trim(session, **limits)
        assert gone == before - await count()
        return gone

    return trims


async def test_what_is_old_goes(database: Database, trimmed: Trim) -> None:
    places = await fill(database, 5)
    assert await trimmed() == 0
    await age(database, *places[:3])
    assert await trimmed() == 4
    assert [one.id for one in await stored(database)] == places[3:]
    assert await trimmed() == 0


async def test_it_goes_without_a_hole(database: Database, trimmed: Trim) -> None:
    places = await fill(database, 5)
    await age(database, places[0], places[3])
    assert await trimmed() == 2
    assert [one.id for one in await stored(database)] == places[1:]


async def test_what_is_too_many_goes(database: Database, trimmed: Trim) -> None:
    places = await fill(database, 10)
    assert await trimmed(max_count=4) == 7
    assert [one.id for one in await stored(database)] == places[6:]


async def test_the_newest_stays_and_no_place_is_given_again(database: Database, trimmed: Trim) -> None:
    places = await fill(database, 3)
    await age(database, *places)
    assert await trimmed() == 3
    assert [one.id for one in await stored(database)] == places[-1:]
    assert await trimmed(max_count=0) == 0
    assert min(set(await fill(database, 1)) - set(places)) > places[-1]


async def test_a_call_is_bounded(database: Database, trimmed: Trim) -> None:
    places = await fill(database, 9)
    assert await trimmed(max_count=0, at_once=4) == 4
    assert await trimmed(max_count=0, at_once=4) == 4
    assert await trimmed(max_count=0, at_once=4) == 1
    assert [one.id for one in await stored(database)] == places[-1:]


async def test_an_empty_log_is_let_be(database: Database, trimmed: Trim) -> None:
    async with database.transaction() as session:
        await session.execute(events.delete())
    assert await trimmed() == 0


async def test_for_ever_and_without_a_limit(database: Database, trimmed: Trim) -> None:
    await fill(database, 3)
    assert await trimmed(max_age=timedelta.max, max_count=2**70) == 0


async def test_what_the_database_refuses(database: Database) -> None:
    async with database.transaction() as session:
        await session.execute(text("ALTER TABLE stanchion_events RENAME TO elsewhere"))
    assert not await trim_past(database.direct, max_age=KEPT, max_count=1, at_once=1)


async def test_it_reads_one_row_where_nothing_is_old(migrated_sqlite_url: str) -> None:
    database = Database(migrated_sqlite_url)
    await fill(database, 3000)

    def steps(max_count: int) -> int:
        """Return how many hundred steps SQLite's machine takes."""
        ready = database_changes._trimming(database.direct.dialect)
        limits = database_changes._limits(KEPT, max_count, 500)
        taken = 0

        def count() -> None:
            nonlocal taken
            taken += 1

        with closing(sqlite3.connect(database.url.database or "")) as connection:
            connection.set_progress_handler(count, 100)
            connection.execute(ready.sql, ready.parameters(limits))
        return taken

    assert steps(10_000) < 5
    assert steps(100) > 50
    await database.close()


async def test_it_reads_no_whole_table(migrated_postgresql_url: str) -> None:
    """However PostgreSQL plans: for any limit, as it does after five times, or for this one."""
    database = Database(migrated_postgresql_url)
    await fill(database, 5000)
    ready = database_changes._trimming(database.direct.dialect)
    given = ", ".join(f"'{one}'" for one in ready.parameters(database_changes._limits(KEPT, 100, 500)))
    async with database.engine.connect() as connection:
        driver: Any = (await connection.get_raw_connection()).driver_connection
        await driver.execute("ANALYZE stanchion_events")
        await driver.execute(f"PREPARE trims AS {ready.sql}")
        for plans in ("force_generic_plan", "force_custom_plan"):
            await driver.execute(f"SET plan_cache_mode = {plans}")
            plan = "\n".join(row[0] for row in await driver.fetch(f"EXPLAIN EXECUTE trims({given})"))
            assert "Index Scan" in plan
            assert "Seq Scan" not in plan
    await database.close()


async def test_one_trims_at_a_time(migrated_postgresql_url: str) -> None:
    database = Database(migrated_postgresql_url)
    await fill(database, 5)

    async def one(session: AsyncSession) -> int:
        return await trim(session, max_count=0)

    async def other(session: AsyncSession) -> None:
        assert await trim(session, max_count=0) == 5
        assert await database.run(one) == 0
        assert await trim_past(database.direct, max_age=KEPT, max_count=0, at_once=100)  # it does not wait

    await database.run(other)
    async with database.transaction() as session:
        await session.execute(insert(events).values(topic="a", kind="b", key="c", data="1", created_at=now()))
    assert await database.run(one) == 1
    await database.close()
