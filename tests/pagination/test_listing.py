"""A list's order and its cursors: every row once, forward and back, while others come and go."""

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Any
from uuid import UUID

import httpx2
import pytest
from fastapi import Depends, FastAPI, Response
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Column, Enum, Numeric, delete, insert, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import Field, SQLModel

from stanchion.database import BigID, Database, UTCDateTime
from stanchion.errors import handle_errors
from stanchion.pagination import Listing, Selection
from stanchion.signing import sign_with
from stanchion.testing import client

SORTED = ["number", "word", "moment", "status", "price", "weight", "is_open", "code"]
START = datetime(2026, 1, 1, tzinfo=UTC)
NOISE = "noise"


class Status(StrEnum):
    active = "active"
    completed = "completed"


class Row(SQLModel, table=True):
    __tablename__ = "listed_rows"

    id: int | None = Field(default=None, sa_column=Column(BigID, primary_key=True))
    number: int
    word: str | None
    moment: datetime | None = Field(sa_type=UTCDateTime)
    status: Status = Field(sa_column=Column(Enum(Status, native_enum=False), nullable=False))
    price: Decimal = Field(sa_column=Column(Numeric(10, 2), nullable=False))
    weight: float
    is_open: bool
    code: UUID
    note: str = ""


class Served:
    """The list over HTTP, on a loop that outlives one example."""

    def __init__(self, url: str, runner: asyncio.Runner) -> None:
        self.database = Database(url)
        self.runner = runner
        self.app = FastAPI()
        handle_errors(self.app)
        sign_with(self.app, "the secret of this backend")
        listing = Listing(Row, sort=SORTED)

        @self.app.get("/rows")
        async def rows(
            selection: Annotated[Selection, Depends(listing)],
            session: Annotated[AsyncSession, Depends(self.database.get_session)],
            response: Response,
        ) -> list[dict[str, Any]]:
            found = await selection.fetch(session, select(Row), response)
            return [{"id": row.id, "note": row.note} for row in found]

    def run(self, work: Callable[[httpx2.AsyncClient], Coroutine[Any, Any, Any]]) -> Any:
        async def with_client() -> Any:
            async with client(self.app) as caller:
                return await work(caller)

        return self.runner.run(with_client())

    async def fill(self, rows: list[dict[str, Any]]) -> None:
        async with self.database.transaction() as session:
            await session.execute(delete(Row))
            if rows:
                await session.execute(insert(Row), rows)

    async def disturb(self, number: int, like: dict[str, Any]) -> None:
        """Add a row somewhere, and take away the one that was added before."""
        async with self.database.transaction() as session:
            await session.execute(delete(Row).where(Row.note == NOISE))  # type: ignore[arg-type] # SQLModel types a column as its value
            await session.execute(insert(Row), [{**like, "id": 10**6 + number, "note": NOISE}])


@pytest.fixture
def served(database_url: str) -> Iterator[Served]:
    with asyncio.Runner() as runner:
        served = Served(database_url, runner)

        async def begin() -> None:
            async with served.database.engine.begin() as connection:
                await connection.run_sync(Row.__table__.create)  # type: ignore[attr-defined] # SQLModel does not type it

        runner.run(begin())
        yield served
        runner.run(served.database.close())


# A letter or two: every collation puts them in one order.
WORDS = st.one_of(st.none(), st.text("ab", max_size=2))
ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "number": st.integers(-2, 2),
            "word": WORDS,
            "moment": st.one_of(st.none(), st.integers(0, 3).map(lambda days: START + timedelta(days=days))),
            "status": st.sampled_from(Status),
            "price": st.decimals(0, 2, places=1),
            "weight": st.sampled_from([-0.1, 0.0, 0.30000000000000004, 1e300]),
            "is_open": st.booleans(),
            "code": st.sampled_from([UUID(int=number) for number in (1, 2**127)]),
        }
    ),
    max_size=12,
)
SORTS = st.lists(
    st.tuples(st.sampled_from(["", "-"]), st.sampled_from([*SORTED, "id"])).map("".join), max_size=3
)


def place(value: Any) -> Any:
    return (value is None, 0 if value is None else value)


def in_order(rows: list[dict[str, Any]], sort: list[str]) -> list[int]:
    """Return the ids in the wanted order, sorted from the last key to the first: Python's sort is stable."""
    named: dict[str, bool] = {}
    for one in sort:
        if "id" not in named:
            named.setdefault(one.removeprefix("-"), one.startswith("-"))
    if "id" not in named:
        named["id"] = bool(named) and list(named.values())[-1]
    ordered = list(rows)
    for key, descending in reversed(named.items()):
        ordered.sort(key=lambda row: place(row[key]), reverse=descending)
    return [row["id"] for row in ordered]


async def walk(served: Served, caller: httpx2.AsyncClient, url: str, rel: str, like: Any) -> list[list[int]]:
    """Follow the links from page to page, and write between them."""
    pages = []
    for number in range(60):
        response = await caller.get(url)
        assert response.status_code == 200, response.text
        pages.append([row["id"] for row in response.json() if row["note"] != NOISE])
        if rel not in response.links:
            return pages
        if like is not None and number < 10:
            await served.disturb(number, like)
        url = response.links[rel]["url"]
    raise AssertionError("the pages have no end")


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=ROWS, sort=SORTS, limit=st.integers(1, 4), disturbed=st.booleans())
def test_every_row_once_forward_and_back(
    served: Served, rows: list[dict[str, Any]], sort: list[str], limit: int, disturbed: bool
) -> None:
    rows = [{**row, "id": number, "note": ""} for number, row in enumerate(rows, 1)]
    like = rows[0] if rows and disturbed else None
    wanted = in_order(rows, sort)

    async def work(caller: httpx2.AsyncClient) -> None:
        await served.fill(rows)
        url = f"/rows?limit={limit}&sort={','.join(sort)}"
        forward = await walk(served, caller, url, "next", like)
        assert [one for page in forward for one in page] == wanted
        # Back from the last page; what was added meanwhile may have made it a page of that alone.
        await served.fill(rows)
        last = await caller.get(url)
        for _ in range(60 if "next" in last.links else 0):
            if "next" not in last.links:
                break
            last = await caller.get(last.links["next"]["url"])
        back = [[row["id"] for row in last.json()]]
        if "prev" in last.links:
            back += await walk(served, caller, last.links["prev"]["url"], "prev", like)
        assert [one for page in reversed(back) for one in page] == wanted
        assert [
            one for page in await walk(served, caller, f"{url}&offset=0", "next", None) for one in page
        ] == wanted

    served.run(work)
