"""Column types that behave alike on both databases."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from pydantic import TypeAdapter
from sqlalchemy import (
    Column,
    DateTime,
    Dialect,
    Float,
    Integer,
    MetaData,
    Numeric,
    Table,
    insert,
    literal,
    select,
    text,
    type_coerce,
)
from sqlalchemy.engine import make_url
from sqlalchemy.exc import StatementError

from stanchion.database import BigID, Database, UTCDateTime, now
from stanchion.database.columns import Kept
from stanchion.errors import InvalidError

pytestmark = pytest.mark.anyio

metadata = MetaData()
moments = Table(
    "moments",
    metadata,
    Column("id", BigID, primary_key=True),
    Column("rank", Integer),
    Column("at", UTCDateTime),
)

TONGA = timezone(timedelta(hours=13))
CHATHAM = timezone(timedelta(hours=12, minutes=45))
MOMENTS = [
    (datetime(1, 1, 1, tzinfo=UTC), "0001-01-01T00:00:00Z"),
    (datetime(999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC), "0999-12-31T23:59:59.999999Z"),
    (datetime(1969, 12, 31, 23, 59, tzinfo=UTC), "1969-12-31T23:59:00Z"),
    (datetime(2026, 1, 31, 9, 30, tzinfo=TONGA), "2026-01-30T20:30:00Z"),
    (datetime(2026, 1, 31, 9, 30, tzinfo=CHATHAM), "2026-01-30T20:45:00Z"),
    (datetime(2026, 1, 30, 20, 45, 0, 1, tzinfo=UTC), "2026-01-30T20:45:00.000001Z"),
    (datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC), "9999-12-31T23:59:59.999999Z"),
]


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    database = Database(database_url)
    async with database.engine.begin() as connection:
        await connection.run_sync(metadata.create_all)
    yield database
    await database.close()


async def test_moments_keep_their_text_and_their_order(database: Database) -> None:
    async with database.transaction() as session:
        for rank, (moment, _) in reversed(list(enumerate(MOMENTS))):
            await session.execute(insert(moments).values(rank=rank, at=moment))
    async with database.read() as session:
        rows = (await session.execute(select(moments.c.rank, moments.c.at).order_by(moments.c.at))).all()
        middle = select(moments.c.rank).where(moments.c.at > MOMENTS[2][0], moments.c.at <= MOMENTS[4][0])
        assert set(await session.scalars(middle)) == {3, 4}
    assert [rank for rank, _ in rows] == list(range(len(MOMENTS)))
    assert [(at, at.tzinfo) for _, at in rows] == [(moment, UTC) for moment, _ in MOMENTS]
    as_json = TypeAdapter(list[datetime]).dump_python([at for _, at in rows], mode="json")
    assert as_json == [text for _, text in MOMENTS]


async def test_null_stays_null(database: Database) -> None:
    async with database.transaction() as session:
        assert await session.scalar(insert(moments).values(at=None).returning(moments.c.at)) is None


async def test_a_naive_datetime_is_refused(database: Database) -> None:
    with pytest.raises(StatementError, match="has no time zone") as refused:
        async with database.transaction() as session:
            await session.execute(insert(moments).values(at=datetime(2026, 1, 31)))
    assert isinstance(refused.value.orig, ValueError)


async def test_a_moment_before_the_first_in_utc_is_the_clients_mistake(database: Database) -> None:
    with pytest.raises(InvalidError, match="out of the range"):
        async with database.transaction() as session:
            await session.execute(insert(moments).values(at=datetime(1, 1, 1, tzinfo=TONGA)))


async def test_ids_count_by_themselves_and_have_64_bits(database: Database) -> None:
    async with database.transaction() as session:
        first = await session.scalar(insert(moments).returning(moments.c.id))
        await session.execute(insert(moments).values(id=2**63 - 1))
        assert first == 1
        assert await session.scalar(select(moments.c.id).where(moments.c.id == 2**63 - 1)) == 2**63 - 1


async def test_sqlite_keeps_a_text_of_fixed_width(sqlite_url: str) -> None:
    database = Database(sqlite_url)
    async with database.transaction() as session:
        await (await session.connection()).run_sync(metadata.create_all)
        await session.execute(insert(moments).values(at=MOMENTS[0][0]))
        assert await session.scalar(text("SELECT at FROM moments")) == "0001-01-01T00:00:00.000000Z"
    await database.close()


NUMBERS = Table(
    "kept_numbers",
    MetaData(),
    Column("id", Integer, primary_key=True),
    Column("price", Numeric(10, 2)),
    Column("share", Float(53, asdecimal=True)),
    Column("made", DateTime),
    Column("at", UTCDateTime),
)


async def test_what_is_kept_finds_its_own_row(database_url: str) -> None:
    """Also where the column's type reads it as another value, or would write it in another form."""
    database = Database(database_url)
    third, moment = Decimal(1) / 3, datetime(2026, 1, 31, 9, 30, tzinfo=UTC)
    async with database.transaction() as session:
        await (await session.connection()).run_sync(NUMBERS.metadata.create_all)
        await session.execute(insert(NUMBERS).values(id=1, price=third, share=third, at=moment))
        await session.execute(text("UPDATE kept_numbers SET made = '2026-01-31 09:30:00'"))
        for column in NUMBERS.columns:
            kept = Kept(column.type)
            value = await session.scalar(select(type_coerce(column, kept)))
            assert value is not None
            own = select(NUMBERS.c.id).where(column == literal(value, kept))
            assert (column.name, await session.scalar(own)) == (column.name, 1)
            beyond = select(NUMBERS.c.id).where(column > literal(value, kept))
            assert (column.name, await session.scalar(beyond)) == (column.name, None)
    await database.close()


def test_now_is_aware() -> None:
    assert now().tzinfo is UTC
    assert abs(now() - datetime.now(UTC)) < timedelta(seconds=5)


class Whole(UTCDateTime):
    """A type of an app's own, which keeps whole seconds."""

    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> Any:
        return super().process_bind_param(value and value.replace(microsecond=0), dialect)


@pytest.mark.parametrize("driver", ["postgresql+asyncpg", "sqlite+aiosqlite"])
def test_a_type_that_is_made_of_it_has_its_say_on_both_databases(driver: str) -> None:
    dialect = make_url(f"{driver}://").get_dialect()()
    moment = datetime(2026, 1, 31, 9, 30, 1, 999, tzinfo=timezone(timedelta(hours=1)))
    whole = moment.replace(microsecond=0).astimezone(UTC)
    bind = Whole().dialect_impl(dialect).bind_processor(dialect)
    expected = whole if dialect.name == "postgresql" else whole.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    assert bind is not None
    assert bind(moment) == expected
    own = UTCDateTime().dialect_impl(dialect).bind_processor(dialect)
    assert own is not None
    assert [own(None), own(moment)] == [None, UTCDateTime().process_bind_param(moment, dialect)]
