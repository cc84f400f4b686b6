"""A list's order and its cursors: every row once, forward and back, while others come and go."""

import asyncio
import tracemalloc
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass, field
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
from sqlalchemy import Column, Enum, Numeric, delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import Field, SQLModel, col

from stanchion.database import BigID, Database, UTCDateTime
from stanchion.errors import handle_errors
from stanchion.filtering import Filters
from stanchion.pagination import Listing, Selection
from stanchion.pagination.cursor import bound
from stanchion.pagination.sorting import Sorting
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
        listing = Listing(Row, filters=Filters(Row, SORTED), sort=SORTED)

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

    async def change(self, *statements: Any) -> None:
        """Take away what was added or sorted anew before, and do this."""
        async with self.database.transaction() as session:
            await session.execute(delete(Row).where(col(Row.note) == NOISE))
            for statement in statements:
                await session.execute(statement)

    def kept(self, row: dict[str, Any]) -> dict[str, Any]:
        """Return a row as the table has it: PostgreSQL rounds a price, and SQLite keeps all of it."""
        if self.database.url.get_backend_name() == "sqlite":
            return row
        return {**row, "price": row["price"].quantize(Decimal("0.01"))}


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
            "price": st.sampled_from(
                [Decimal(one) for one in ("0", "0.004", "0.33333333", "1.00499", "1.5")]
            ),
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


Keeps = Callable[[dict[str, Any]], bool]
FILTERS: dict[str, Keeps] = {
    "number__gte=0": lambda row: row["number"] >= 0,
    "number__in=-1,1,2": lambda row: row["number"] in (-1, 1, 2),
    "word=a": lambda row: row["word"] == "a",
    "word__ne=a": lambda row: row["word"] != "a",
    "word__isnull=false": lambda row: row["word"] is not None,
    "moment__lte=2026-01-03T00:00:00Z": lambda row: (
        row["moment"] is not None and row["moment"] <= START + timedelta(days=2)
    ),
    "status=active": lambda row: row["status"] is Status.active,
    "price__lt=1": lambda row: row["price"] < 1,
    "is_open=true": lambda row: row["is_open"],
}
CHANGES = st.lists(st.sampled_from(["add", "delete", "move", "delete ahead"]), max_size=8)


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


@dataclass
class Walk:
    """Follows the links from page to page, and writes between them."""

    served: Served
    caller: httpx2.AsyncClient
    rows: list[dict[str, Any]]
    changes: list[str]
    seen: list[int] = field(default_factory=list)
    gone: set[int] = field(default_factory=set)
    """Rows that were deleted before their turn."""

    async def begin(self, url: str) -> httpx2.Response:
        """Fill the table, and go to the last page."""
        await self.served.fill(self.rows)
        response = await self.page(url)
        while "next" in response.links:
            response = await self.page(response.links["next"]["url"])
        return response

    async def follow(self, url: str, rel: str) -> None:
        for change in [*self.changes, *[""] * 60]:
            response = await self.page(url)
            found = [row["id"] for row in response.json() if row["note"] != NOISE]
            self.seen += found if rel == "next" else found[::-1]
            if rel not in response.links:
                return
            if change:  # the cursor stands beside the last row, or before the first
                await self.change(change, response.json()[-1 if rel == "next" else 0]["id"])
            url = response.links[rel]["url"]
        raise AssertionError("the pages have no end")

    async def page(self, url: str) -> httpx2.Response:
        response = await self.caller.get(url)
        assert response.status_code == 200, response.text
        return response

    async def change(self, change: str, beside: int) -> None:
        like = {**self.rows[0], "note": NOISE}
        ahead = {row["id"] for row in self.rows} - {*self.seen, *self.gone}
        if change == "add":
            await self.served.change(insert(Row).values({**like, "id": 10**6}))
        elif change == "move":
            await self.served.change(update(Row).where(col(Row.id) == beside).values({**like, "id": beside}))
        elif change == "delete":
            await self.served.change(delete(Row).where(col(Row.id) == beside))
        elif ahead:
            self.gone.add(max(ahead))
            await self.served.change(delete(Row).where(col(Row.id) == max(ahead)))


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    rows=ROWS,
    filters=st.lists(st.sampled_from(list(FILTERS)), max_size=2, unique_by=lambda one: one.partition("=")[0]),
    sort=SORTS,
    limit=st.integers(1, 4),
    changes=CHANGES,
)
def test_every_row_once_forward_and_back(
    served: Served,
    rows: list[dict[str, Any]],
    filters: list[str],
    sort: list[str],
    limit: int,
    changes: list[str],
) -> None:
    rows = [{**row, "id": number, "note": ""} for number, row in enumerate(rows, 1)]
    kept = [served.kept(row) for row in rows]
    wanted = in_order([row for row in kept if all(FILTERS[one](row) for one in filters)], sort)
    url = f"/rows?limit={limit}&sort={','.join(sort)}" + "".join(f"&{one}" for one in filters)

    async def work(caller: httpx2.AsyncClient) -> None:
        await served.fill(rows)
        forward = Walk(served, caller, rows, changes)
        await forward.follow(url, "next")
        assert forward.seen == [one for one in wanted if one not in forward.gone]

        back = Walk(served, caller, rows, changes)
        last = await back.begin(url)
        back.seen = [row["id"] for row in last.json()][::-1]
        if "prev" in last.links:
            await back.follow(last.links["prev"]["url"], "prev")
        assert back.seen == [one for one in reversed(wanted) if one not in back.gone]

        await served.fill(rows)
        by_offset = Walk(served, caller, rows, [])
        await by_offset.follow(f"{url}&offset=0", "next")
        assert by_offset.seen == wanted

    served.run(work)


def test_a_cursor_belongs_to_its_filters_and_its_order(served: Served) -> None:
    row = {"number": 1, "word": "a", "moment": None, "status": Status.active, "price": Decimal(1)}
    row |= {"weight": 0.5, "is_open": True, "code": UUID(int=1)}

    async def work(caller: httpx2.AsyncClient) -> None:
        await served.fill([{**row, "id": number} for number in (1, 2, 3)])
        first = await caller.get("/rows?limit=1&sort=word&word=a&is_open=true")
        following = first.links["next"]["url"]
        assert [one["id"] for one in (await caller.get(following)).json()] == [2]
        assert [one["id"] for one in (await caller.get(following.replace("limit=1", "limit=9"))).json()] == [
            2,
            3,
        ]
        for old, new in (
            ("word=a", "word=b"),
            ("word=a", "word__eq=a"),
            ("&is_open=true", ""),
            ("word=a", "word=a&number=1"),
            ("sort=word", "sort=-word"),
            ("sort=word", "sort=word,number"),
            ("cursor=", "cursor=A"),
        ):
            assert old in following
            refused = await caller.get(following.replace(old, new, 1))
            assert (refused.status_code, refused.json()["error"]) == (422, "invalid_cursor"), (old, new)

    served.run(work)


@pytest.mark.parametrize("sort", ["titel", "word,-titel", "--word", "-", "word,", ",", "WORD"])
def test_an_order_that_is_not_declared_names_those_that_are(served: Served, sort: str) -> None:
    async def work(caller: httpx2.AsyncClient) -> None:
        refused = await caller.get("/rows", params={"sort": sort})
        assert refused.status_code == 422
        (error,) = refused.json()["errors"]
        assert (error["loc"], error["type"]) == (["query", "sort"], "unknown_sort")
        name = next(one for one in (part.removeprefix("-") for part in sort.split(",")) if one not in SORTED)
        assert error["msg"].startswith(f"Cannot be sorted by '{name}': name one of id, ")

    served.run(work)


def test_memory_keeps_nothing_long_that_was_sent() -> None:
    sorting = Sorting(Row, ["number"])
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        for times in range(1, 101):
            order = sorting.order("id," * (3_000 + times))
            bound("listed_rows", order, {"note": "n" * (10_000 + times)})
        kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert kept - before < 100_000
    assert sorting.order("number") is sorting.order("number")
