"""The writing of an import: when its hooks are asked, rows of any fields, and what is told of bad ones."""

import json
import sqlite3
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any

import anyio
import pytest
from fastapi import Depends, FastAPI
from pydantic import BaseModel
from sqlalchemy import JSON, ForeignKey, event, func, select, text
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlmodel import SQLModel, col
from tests.resource.conftest import Customer, CustomerBody, CustomerResponse

import stanchion
from stanchion import Database
from stanchion.database import BigID, UTCDateTime
from stanchion.errors import ForbiddenError, handle_errors
from stanchion.resource import filing, intake
from stanchion.signing import sign_with
from stanchion.testing import client

pytestmark = pytest.mark.anyio

NDJSON, CSV = {"Content-Type": "application/x-ndjson"}, {"Content-Type": "text/csv"}


class Base(DeclarativeBase):
    pass


class Shelf(Base):
    __tablename__ = "filing_shelves"

    id: Mapped[int] = mapped_column(BigID, primary_key=True)
    name: Mapped[str]


class Part(Base):
    """A table whose columns are filled in by all who can: SQLAlchemy, the database, and nobody."""

    __tablename__ = "filing_parts"

    id: Mapped[int] = mapped_column(BigID, primary_key=True)
    title: Mapped[str]
    note: Mapped[str | None]
    colour: Mapped[str | None] = mapped_column(default="grey")
    origin: Mapped[str | None] = mapped_column(server_default="here")
    made_at: Mapped[datetime | None] = mapped_column(
        UTCDateTime, default=lambda: datetime(2026, 1, 1, tzinfo=UTC)
    )
    sizes: Mapped[list[int] | None] = mapped_column(JSON)
    shelf_id: Mapped[int | None] = mapped_column(ForeignKey("filing_shelves.id"))


class PartCreate(BaseModel):
    title: str
    note: str | None = None
    colour: str | None = None
    origin: str | None = None
    made_at: datetime | None = None
    sizes: list[int] | None = None
    shelf_id: int | None = None


class PartResponse(PartCreate):
    id: int


def serve(database: Database, **options: Any) -> FastAPI:
    """An app of customers and parts over this database. `options` are those of the customers' Resource."""
    router = {"dependencies": options.pop("dependencies", [])}
    attributes = options.pop("attributes", {})
    kind = type("Resource", (stanchion.Resource,), {"session": database.get_session, **attributes})
    app = FastAPI()
    handle_errors(app)
    sign_with(app, "the secret of these files")
    customers = kind(Customer, create=CustomerBody, update=CustomerBody, response=CustomerResponse, **options)
    app.include_router(customers.router(prefix="/customers", without=["export"], **router))
    parts = kind(Part, create=PartCreate, response=PartResponse, sort=["id"])
    app.include_router(parts.router(prefix="/parts", without=["export"]))
    return app


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    opened = Database(database_url)
    async with opened.engine.begin() as connection:
        await connection.run_sync(
            SQLModel.metadata.create_all, tables=[SQLModel.metadata.tables["resource_customers"]]
        )
        await connection.run_sync(Base.metadata.create_all)
    yield opened
    await opened.close()


async def names(database: Database) -> list[str]:
    async with database.read() as session:
        return list(await session.scalars(select(col(Customer.name)).order_by(text("id"))))


def lines(*rows: dict[str, Any]) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


async def test_what_a_hook_has_written_goes_with_the_import(database: Database) -> None:
    async def authorize(session: Annotated[AsyncSession, Depends(database.get_session)]) -> None:
        session.add(Shelf(name="asked"))

    async def asked() -> int:
        async with database.read() as session:
            return int(await session.scalar(select(func.count()).select_from(Shelf)) or 0)

    async with client(serve(database, authorize=authorize)) as caller:
        refused = await caller.post("/customers/import", content='{"name": 5}', headers=NDJSON)
        assert (refused.status_code, await asked()) == (422, 0)
        twice = await caller.post("/customers/import", content='{"name": "a"}\n' * 2, headers=NDJSON)
        assert (twice.status_code, await asked(), await names(database)) == (409, 0, [])
        made = await caller.post("/customers/import", content='{"name": "a"}', headers=NDJSON)
        assert (made.status_code, await asked(), await names(database)) == (201, 1, ["a"])


async def test_a_hook_is_asked_when_the_file_is_there(database: Database) -> None:
    async def authorize(session: Annotated[AsyncSession, Depends(database.get_session)]) -> None:
        if await session.scalar(select(func.count()).select_from(Customer)):
            raise ForbiddenError("There is one already.", "one_is_enough")

    async def slowly() -> AsyncIterator[bytes]:
        yield b'{"name": "a"}\n'
        async with database.transaction() as session:
            session.add(Customer(name="first"))
        yield b'{"name": "b"}\n'

    async with client(serve(database, authorize=authorize)) as caller:
        refused = await caller.post("/customers/import", content=slowly(), headers=NDJSON)
    assert (refused.status_code, refused.json()["error"]) == (403, "one_is_enough")
    assert await names(database) == ["first"]


async def test_what_is_read_before_it_arrives_holds_nobody_up(database: Database) -> None:
    async def known(session: Annotated[AsyncSession, Depends(database.get_session)]) -> None:
        await session.execute(select(Customer))

    async def slowly() -> AsyncIterator[bytes]:
        yield b'{"name": "a"}\n'
        with anyio.fail_after(3):
            async with database.transaction() as session:
                session.add(Customer(name="b"))
        assert database.engine.pool.checkedout() == 0  # type: ignore[attr-defined] # of the pools that queue
        yield b'{"name": "c"}\n'

    async with client(serve(database, dependencies=[Depends(known)])) as caller:
        made = await caller.post("/customers/import", content=slowly(), headers=NDJSON)
    assert (made.status_code, await names(database)) == (201, ["b", "a", "c"])


async def test_what_would_be_lost_before_it_arrives_is_a_fault(database: Database) -> None:
    session_of = Annotated[AsyncSession, Depends(database.get_session)]

    async def adds(session: session_of) -> None:
        session.add(Shelf(name="lost"))
        await session.flush()

    async def locks(session: session_of) -> None:
        await session.execute(select(Customer).with_for_update())

    async def reads(session: session_of) -> None:
        await session.execute(select(Customer))

    async def prepared(session: session_of) -> AsyncSession:
        return session

    async with database.transaction() as session:
        session.add(Customer(name="there"))
    # SQLite has no locks on rows: its one writer holds them all.
    locked = 500 if database.engine.dialect.name == "postgresql" else 201
    attributes = {"session": staticmethod(prepared)}
    for status, options in (
        (500, {"dependencies": [Depends(adds)]}),
        (locked, {"dependencies": [Depends(locks)]}),
        (500, {"dependencies": [Depends(reads)], "attributes": attributes}),
    ):
        async with client(serve(database, **options), raise_app_exceptions=False) as caller:
            answer = await caller.post("/customers/import", content='{"name": "a"}', headers=NDJSON)
            assert answer.status_code == status
            assert (await caller.post("/customers", json={"name": "b"})).status_code == 201
        async with database.transaction() as session:
            await session.execute(text("DELETE FROM resource_customers WHERE name <> 'there'"))


PARTS: Sequence[dict[str, Any]] = [
    {"title": "a"},
    {"title": "b", "note": "x", "sizes": [1, 2]},
    {"note": "y", "title": "c", "colour": "red"},
    {"title": "d", "origin": "there", "made_at": "2026-02-02T00:00:00Z"},
    {"title": "e", "note": None, "colour": None, "origin": None, "sizes": None},
    {"title": "f"},
]


@pytest.mark.parametrize("size", [1000, 2])
async def test_rows_with_different_fields_are_as_bulk_makes_them(
    database: Database, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    monkeypatch.setattr(intake, "BATCH", size)
    async with client(serve(database)) as caller:
        for row in PARTS:  # one at a time: SQLAlchemy's bulk insert wants them alike
            assert (await caller.post("/parts", json=row)).status_code == 201
        made = await caller.post("/parts/import", content=lines(*PARTS), headers=NDJSON)
        assert made.json() == {"imported": len(PARTS)}
        listed = [{**one, "id": 0} for one in (await caller.get("/parts?sort=id")).json()]
    by_title = {one["title"]: one for one in listed[: len(PARTS)]}
    assert sorted(by_title) == list("abcdef")
    assert sorted(one["title"] for one in listed[len(PARTS) :]) == list("abcdef")
    assert [by_title[one["title"]] for one in listed[len(PARTS) :]] == listed[len(PARTS) :]
    async with database.read() as session:  # as they are stored, where JSON has a null of its own
        stored = await session.execute(
            text("SELECT title, sizes IS NULL FROM filing_parts ORDER BY title, id")
        )
        assert [
            sorted(bool(one[1]) for one in pair) for pair in in_pairs([tuple(row) for row in stored])
        ] == [[same[0], same[0]] for same in ([True], [False], [True], [True], [False], [True])]


def in_pairs(rows: list[tuple[Any, ...]]) -> list[list[tuple[Any, ...]]]:
    return [rows[at : at + 2] for at in range(0, len(rows), 2)]


async def test_fields_of_any_number_in_few_statements(database: Database) -> None:
    statements: list[str] = []

    def note(_: Any, __: Any, statement: str, *___: Any) -> None:
        statements.append(statement)

    event.listen(database.engine.sync_engine, "before_cursor_execute", note)
    rows = [
        {"title": str(number)}
        | ({"note": "x"} if number % 2 else {})
        | ({"shelf_id": None} if number % 3 else {})
        for number in range(300)
    ]
    async with client(serve(database)) as caller:
        made = await caller.post("/parts/import", content=lines(*rows), headers=NDJSON)
    assert made.json() == {"imported": 300}
    assert len([one for one in statements if one.startswith("INSERT")]) == 1
    async with database.read() as session:
        titles = list(await session.scalars(select(Part.title).order_by(Part.id)))
    assert titles == [str(number) for number in range(300)]


async def test_bad_rows_of_all_batches_are_told(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intake, "BATCH", 20)
    content = lines(*({"name": f"c{number}"} for number in range(200)))
    taken = (3, 45, 46, 120, 199)
    async with client(serve(database)) as caller:
        before = await caller.post(
            "/customers/import", content=lines(*({"name": f"c{number}"} for number in taken)), headers=NDJSON
        )
        assert before.json() == {"imported": 5}
        answer = await caller.post("/customers/import", content=content, headers=NDJSON)
        assert (answer.status_code, answer.json()["error"]) == (409, "already_exists")
        assert [one["loc"] for one in answer.json()["errors"]] == [
            ["body", number + 1, "name"] for number in taken
        ]
        shelves = lines(
            *({"title": "x", "shelf_id": 9 if number in taken else None} for number in range(200))
        )
        answer = await caller.post("/parts/import", content=shelves, headers=NDJSON)
        assert (answer.status_code, answer.json()["error"]) == (422, "reference_not_found")
        assert [one["loc"] for one in answer.json()["errors"]] == [
            ["body", number + 1, "shelf_id"] for number in taken
        ]
    assert len(await names(database)) == 5


async def test_a_bad_row_is_found_by_halves(database: Database) -> None:
    statements: list[str] = []

    def note(_: Any, __: Any, statement: str, *___: Any) -> None:
        statements.append(statement)

    rows = [{"name": f"c{number}"} for number in range(1000)]
    async with client(serve(database)) as caller:
        await caller.post("/customers/import", content=lines(rows[777]), headers=NDJSON)
        event.listen(database.engine.sync_engine, "before_cursor_execute", note)
        answer = await caller.post("/customers/import", content=lines(*rows), headers=NDJSON)
    assert [one["loc"] for one in answer.json()["errors"]] == [["body", 778, "name"]]
    assert len([one for one in statements if one.startswith("INSERT")]) <= 22  # and not a thousand


async def test_sqlite_is_free_while_the_rows_are_prepared(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = Database(sqlite_url)
    async with database.engine.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)
    ready, insert = filing.Filing._ready, filing.Filing._insert
    shelves: list[str] = []
    by_sqlalchemy: list[int] = []

    def noted(writing: filing.Filing, batch: intake.Batch) -> Any:
        with sqlite3.connect(sqlite_url.removeprefix("sqlite:///"), timeout=0) as other:
            shelves.append(f"s{len(shelves)}")
            other.execute("INSERT INTO filing_shelves (name) VALUES (?)", (shelves[-1],))
        return ready(writing, batch)

    async def inserted(writing: filing.Filing, rows: list[Any]) -> None:
        by_sqlalchemy.append(len(rows))
        await insert(writing, rows)

    monkeypatch.setattr(filing.Filing, "_ready", noted)
    monkeypatch.setattr(filing.Filing, "_insert", inserted)
    monkeypatch.setattr(intake, "BATCH", 20)
    kind = type("Resource", (stanchion.Resource,), {"session": database.get_session})
    app = FastAPI()
    shelf = kind(Shelf, create=CustomerBody, response=CustomerResponse)
    app.include_router(shelf.router(prefix="/shelves"))
    async with client(app) as caller:
        content = lines(*({"name": str(number)} for number in range(50)))
        made = await caller.post("/shelves/import", content=content, headers=NDJSON)
    assert made.json() == {"imported": 50}
    async with database.read() as session:
        found = list(await session.scalars(select(Shelf.name).order_by(Shelf.id)))
    assert found == ["s0", "s1", "s2", *(str(number) for number in range(50))]
    assert by_sqlalchemy == []  # all by the driver's own statement
    await database.close()


async def test_an_empty_cell_is_null_and_no_default(database: Database) -> None:
    async with client(serve(database)) as caller:
        made = await caller.post("/parts/import", content="title,colour,sizes\na,,\n'=b,',[1]\n", headers=CSV)
        assert made.json() == {"imported": 2}
        made = await caller.post("/parts/import", content='{"title": "c"}', headers=NDJSON)
        assert made.json() == {"imported": 1}
        listed = (await caller.get("/parts?sort=id")).json()
    assert [(one["title"], one["colour"], one["sizes"]) for one in listed] == [
        ("a", None, None),
        ("=b", "", [1]),
        ("c", "grey", None),
    ]
