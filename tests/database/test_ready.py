"""Ready: a statement that the driver runs takes and gives the values that SQLAlchemy does."""

import uuid
from datetime import UTC, date, datetime
from enum import StrEnum

import pytest
from sqlalchemy import JSON, Boolean, Column, Date, Enum, MetaData, Table, Uuid, bindparam, insert, select

from stanchion.database import BigID, Database, UTCDateTime
from stanchion.database.ready import Ready

pytestmark = pytest.mark.anyio


class Ink(StrEnum):
    black = "b"
    blue = "c"


metadata = MetaData()
sheets = Table(
    "ready_sheets",
    metadata,
    Column("id", BigID, primary_key=True),
    Column("code", Uuid),
    Column("ink", Enum(Ink, native_enum=False)),
    Column("at", UTCDateTime),
    Column("due", Date),
    Column("is_read", Boolean),
    Column("tags", JSON),
)
VALUES = {
    "code": uuid.UUID(int=5),
    "ink": Ink.blue,
    "at": datetime(2026, 1, 31, 9, 30, tzinfo=UTC),
    "due": date(2026, 2, 1),
    "is_read": True,
    "tags": ["a", "\u00e4"],
}


async def test_rows_as_sqlalchemy_gives_them(database_url: str) -> None:
    database = Database(database_url)
    async with database.engine.begin() as connection:
        await connection.run_sync(metadata.create_all)
    given = {name: bindparam(f"new_{name}", type_=sheets.c[name].type) for name in VALUES}
    direct = database.direct
    adding = Ready.of(insert(sheets).values(given).returning(sheets), direct.dialect)
    added = await direct.write([adding], {f"new_{name}": value for name, value in VALUES.items()})
    assert added is not None
    assert adding.read(added) == [(1, *VALUES.values())]
    reading = Ready.of(select(sheets).where(sheets.c.ink == Ink.blue), direct.dialect)
    read = await direct.fetch(reading, {})
    assert read is not None
    async with database.read() as session:
        expected = [tuple(row) for row in await session.execute(select(sheets))]
    assert reading.read(read) == expected == [(1, *VALUES.values())]
    await database.close()
