"""A place of each kind of column: what the database keeps, through JSON, and what comes after it."""

import json
import uuid
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import insert, select
from tests.filtering.things import LIKE, Base, Colour, Level, Size, Thing

from stanchion.database import Database
from stanchion.pagination import Sorting

pytestmark = pytest.mark.anyio

VALUES: dict[str, tuple[Any, Any]] = {
    "id": (2, 3),
    "title": ("a'\"\\é", "b"),
    "name": ("", "a"),
    "tiny": (-(2**15), 2**15 - 1),
    "rank": (-(2**31), 2**31 - 1),
    "big": (-(2**63), 2**63 - 1),
    "weight": (0.1, 0.30000000000000004),
    "price": (Decimal("0.10"), Decimal("99999999.99")),
    "done": (False, True),
    "colour": (Colour.blue, Colour.red),
    "level": (Level.low, Level.high),
    "size": (Size.small, Size.large),
    "shape": ("round", "square"),
    "token": (uuid.UUID(int=1), uuid.UUID(int=2**127)),
    "code": (str(uuid.UUID(int=1)), str(uuid.UUID(int=2**127))),
    "at": (datetime(2026, 1, 31, 9, 30, tzinfo=UTC), datetime(2026, 1, 31, 9, 30, 0, 1, tzinfo=UTC)),
    "local": (datetime(2026, 1, 31, 9, 30), datetime(2026, 1, 31, 9, 30, 0, 1)),
    "day": (date(1, 1, 1), date(9999, 12, 31)),
    "hour": (time(9, 30), time(9, 30, 0, 1)),
}
"""A value of each column, and a larger one: of an Enum, which is larger the database says."""
UNORDERED = ("level", "size")
"""SQLite sorts by their names, PostgreSQL in the order of their declaration."""


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    database = Database(database_url)
    async with database.engine.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)
    yield database
    await database.close()


def test_each_kind_is_here() -> None:
    assert set(VALUES) == set(LIKE)


async def test_what_comes_after_each_row(database: Database) -> None:
    sorting = Sorting(Thing, LIKE)
    async with database.transaction() as session:
        for number in range(2):
            row = {name: pair[number] for name, pair in VALUES.items()}
            await session.execute(insert(Thing).values(row))
        await session.execute(insert(Thing).values(id=4))
        await session.execute(
            insert(Thing).values(id=5, **{name: VALUES[name][0] for name in VALUES if name != "id"})
        )
    async with database.read() as session:
        for text in [*LIKE, *(f"-{name}" for name in LIKE), *(f"{name},-id" for name in LIKE)]:
            order = sorting.order(text)
            statement = select(Thing.id, *order.kept).order_by(*order.clauses)
            rows = (await session.execute(statement)).all()
            ids = [row_id for row_id, *_ in rows]
            name = text.strip("-").partition(",")[0]
            if name not in UNORDERED:
                small = [5, 2] if text != name and name != "id" else [2, 5]
                expected = [2, 3, 4, 5] if name == "id" else [*small, 3, 4]
                if text[0] == "-":
                    expected = expected[::-1] if name == "id" else [4, 3, *small]
                assert ids == expected, text
            for index, (_, *place) in enumerate(rows):
                sent = json.loads(json.dumps(order.written(place)))
                after = order.after(order.read(sent, session.get_bind().dialect.name))
                found = await session.scalars(select(Thing.id).where(after).order_by(*order.clauses))
                assert list(found) == ids[index + 1 :], (text, place)


@pytest.mark.parametrize("values", [[], [1], [1, 2, 3], ["a", "b"]])
def test_a_place_of_another_order(values: list[Any]) -> None:
    order = Sorting(Thing, ["rank"]).order("rank")
    with pytest.raises(ValueError, match=r"columns|integer"):
        order.read(values, "postgresql")
