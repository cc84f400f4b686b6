"""Places that are hard to keep: long texts, what SQLite does not round, moments that the database made."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any

import httpx2
import pytest
from fastapi import Depends, FastAPI, Response
from sqlalchemy import Column, DateTime, Float, Integer, Numeric, delete, func, insert, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import Field, SQLModel, col

from stanchion.database import BigID, Database, UTCDateTime
from stanchion.errors import handle_errors
from stanchion.pagination import Listing, Selection
from stanchion.signing import sign_with
from stanchion.testing import client

pytestmark = pytest.mark.anyio

SHORT = 3500
"""Characters of a Link that every proxy lets through: nginx keeps 4 KiB for all headers of a response."""
FACE = "\U0001f600"


class Placed(SQLModel, table=True):
    __tablename__ = "placed_rows"

    id: int | None = Field(default=None, sa_column=Column(BigID, primary_key=True))
    title: str = Field(default="", max_length=200)
    body: str = ""
    other: str | None = None
    total: Decimal = Field(default=Decimal(0), sa_column=Column(Numeric(10, 2), default=0, nullable=False))
    plain: Decimal = Decimal(0)
    share: Decimal = Field(
        default=Decimal(0), sa_column=Column(Float(53, asdecimal=True), default=0, nullable=False)
    )
    made_at: datetime | None = Field(
        default=None, sa_column=Column(DateTime, server_default=func.now(), nullable=False)
    )
    seen_at: datetime | None = Field(default=None, sa_type=UTCDateTime)
    weight: float = 0


class Coded(SQLModel, table=True):
    __tablename__ = "coded_rows"

    code: str = Field(primary_key=True)
    rank: int = Field(default=0, sa_type=Integer)


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    database = Database(database_url)
    tables = [SQLModel.metadata.tables[name] for name in ("placed_rows", "coded_rows")]
    async with database.engine.begin() as connection:
        await connection.run_sync(SQLModel.metadata.create_all, tables=tables)
    yield database
    await database.close()


@pytest.fixture
async def caller(database: Database) -> AsyncIterator[httpx2.AsyncClient]:
    app = FastAPI()
    handle_errors(app)
    sign_with(app, "the secret of this backend")
    sort = ["title", "body", "other", "total", "plain", "share", "made_at", "seen_at", "weight"]
    session = Depends(database.get_session)

    @app.get("/rows")
    async def rows(
        selection: Annotated[Selection, Depends(Listing(Placed, sort=sort))],
        session: Annotated[AsyncSession, session],
        response: Response,
    ) -> list[int | None]:
        return [row.id for row in await selection.fetch(session, select(Placed), response)]

    @app.get("/codes")
    async def codes(
        selection: Annotated[Selection, Depends(Listing(Coded, sort=["rank"]))],
        session: Annotated[AsyncSession, session],
        response: Response,
    ) -> list[str]:
        return [row.code for row in await selection.fetch(session, select(Coded), response)]

    async with client(app) as caller:
        yield caller


async def fill(database: Database, rows: list[dict[str, Any]], model: type[SQLModel] = Placed) -> None:
    async with database.transaction() as session:
        for row in rows:  # one by one: each has its own columns
            await session.execute(insert(model).values(**row))


async def walk(caller: httpx2.AsyncClient, url: str, rel: str = "next") -> list[Any]:
    found: list[Any] = []
    for _ in range(20):
        response = await caller.get(url)
        assert response.status_code == 200, response.text
        assert len(response.headers["Link"]) < SHORT
        found += response.json()
        if rel not in response.links:
            return found
        url = response.links[rel]["url"]
    raise AssertionError(f"the pages have no end: {found}")


async def both_ways(caller: httpx2.AsyncClient, sort: str, path: str = "/rows") -> list[Any]:
    """Return what a walk finds, forward; backward it must find the same."""
    forward = await walk(caller, f"{path}?limit=1&sort={sort}")
    turned = ",".join(one.removeprefix("-") if one[0] == "-" else f"-{one}" for one in sort.split(","))
    last = await caller.get(f"{path}?limit=1&sort={turned}")
    assert last.json() == forward[-1:]
    url = f"{path}?limit=1&sort={sort}"
    for _ in forward[1:]:
        url = (await caller.get(url)).links["next"]["url"]
    assert await walk(caller, url, "prev") == forward[::-1]
    return forward


@pytest.mark.parametrize(
    ("column", "begins"),
    [
        ("title", FACE * 199),
        ("title", "\x01" * 199),
        ("body", "a" * 5000),
        ("body", FACE * 5000),
        ("other", '"\\' * 3000),
    ],
)
async def test_a_link_leads_on_however_long_its_text_is(
    caller: httpx2.AsyncClient, database: Database, column: str, begins: str
) -> None:
    await fill(database, [{"id": number, column: begins + "cab"[number % 3]} for number in range(1, 7)])
    assert await both_ways(caller, column) == [1, 4, 2, 5, 3, 6]
    assert await both_ways(caller, f"-{column},total,id") == [3, 6, 2, 5, 1, 4]


async def test_long_texts_beside_short_ones_and_none(caller: httpx2.AsyncClient, database: Database) -> None:
    long = "b" * 3000
    texts = [long, None, "a", long + "b", "c", long, None]
    await fill(database, [{"id": number, "other": one} for number, one in enumerate(texts, 1)])
    assert await both_ways(caller, "other") == [3, 1, 6, 4, 5, 2, 7]
    assert await both_ways(caller, "-other,body") == [2, 7, 5, 4, 1, 6, 3]


@pytest.mark.parametrize("change", ["deleted", "sorted elsewhere"])
async def test_a_place_that_is_only_in_its_row_is_told_when_it_is_gone(
    caller: httpx2.AsyncClient, database: Database, change: str
) -> None:
    await fill(database, [{"id": number, "body": f"{number}" + "x" * 4000} for number in (1, 2, 3)])
    first = await caller.get("/rows?limit=1&sort=body")
    async with database.transaction() as session:
        own = col(Placed.id) == 1
        await session.execute(
            delete(Placed).where(own)
            if change == "deleted"
            else update(Placed).where(own).values(body="1" + "x" * 3999 + "y")
        )
    refused = await caller.get(first.links["next"]["url"])
    assert (refused.status_code, refused.json()["error"]) == (422, "invalid_cursor")
    assert refused.json()["errors"][0]["loc"] == ["query", "cursor"]
    assert "begin again" in refused.json()["detail"]


async def test_a_key_of_many_letters(caller: httpx2.AsyncClient, database: Database) -> None:
    codes = [letter + FACE * 254 for letter in "abc"]
    await fill(database, [{"code": code} for code in codes], Coded)
    assert await both_ways(caller, "rank,code", "/codes") == codes


@pytest.mark.parametrize("column", ["total", "plain", "share"])
async def test_decimals_that_a_type_would_round(
    caller: httpx2.AsyncClient, database: Database, column: str
) -> None:
    values = [
        Decimal("0.004"),
        Decimal("0.33333333333333"),
        Decimal("1.00499"),
        Decimal("-0.001"),
        Decimal(7),
    ]
    await fill(database, [{"id": number, column: value} for number, value in enumerate(values, 1)])
    async with database.read() as session:  # PostgreSQL has rounded them, so that some are alike
        name = text(f"SELECT id FROM placed_rows ORDER BY {column}, id")
        wanted = list(await session.scalars(name))
    assert sorted(wanted) == [1, 2, 3, 4, 5]
    assert await both_ways(caller, column) == wanted


@pytest.mark.parametrize("stored", ["0.1 + 0.2", "9007199254740993", "1e15 + 0.5", "-0.0", "99999999.994999"])
async def test_whatever_number_the_table_holds(
    caller: httpx2.AsyncClient, database: Database, stored: str
) -> None:
    await fill(database, [{"id": number} for number in (1, 2, 3, 4)])
    async with database.transaction() as session:
        await session.execute(text(f"UPDATE placed_rows SET plain = {stored} WHERE id IN (2, 3)"))
    assert sorted(await both_ways(caller, "plain")) == [1, 2, 3, 4]


async def test_floats_that_are_no_numbers(caller: httpx2.AsyncClient, database: Database) -> None:
    values = [float("inf"), 0.0, float("-inf"), float("inf")]
    await fill(database, [{"id": number, "weight": value} for number, value in enumerate(values, 1)])
    assert await both_ways(caller, "weight") == [3, 2, 1, 4]


async def test_moments_that_the_database_made(caller: httpx2.AsyncClient, database: Database) -> None:
    """SQLite's own have no fraction of a second, where SQLAlchemy writes one."""
    await fill(database, [{"id": number} for number in (1, 2, 3)])
    async with database.transaction() as session:  # within one second, or it could pass meanwhile
        await session.execute(text("UPDATE placed_rows SET made_at = '2026-01-31 09:30:00'"))
    await fill(database, [{"id": 4, "made_at": datetime(2026, 1, 31, 9, 30, 0, 1)}])
    assert await both_ways(caller, "made_at") == [1, 2, 3, 4]
    assert await both_ways(caller, "-made_at,id") == [4, 1, 2, 3]


async def test_the_first_moment_and_the_last(caller: httpx2.AsyncClient, database: Database) -> None:
    moments = [datetime.max.replace(tzinfo=UTC), None, datetime.min.replace(tzinfo=UTC)]
    await fill(database, [{"id": number, "seen_at": one} for number, one in enumerate(moments, 1)])
    assert await both_ways(caller, "seen_at") == [3, 1, 2]
