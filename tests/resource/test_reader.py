"""Reads by the database beside reads by Pydantic: the same replies, and when it is which."""

import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

import anyio
import httpx2
import pytest
from fastapi import Depends, FastAPI, Header, Request, Response
from fastapi.responses import JSONResponse
from pydantic import AwareDatetime, BaseModel
from sqlalchemy import BigInteger, Column, Index, event, text
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import ORMExecuteState, Session, with_loader_criteria
from sqlalchemy.pool import QueuePool
from sqlmodel import Field, SQLModel, col
from tests.databases import ENGINES, Renewable, renewable

import stanchion
from stanchion import Caller, Database
from stanchion.database import BigID, UTCDateTime, loop_reader, now
from stanchion.database.direct import Direct
from stanchion.errors import handle_errors
from stanchion.signing import sign_with
from stanchion.testing import client

pytestmark = pytest.mark.anyio

ROWS = 12


class Leaf(SQLModel, table=True):
    __tablename__ = "reader_leaves"
    __table_args__ = (
        Index("ix_reader_leaves_owner_id_name", "owner_id", "name"),
        {"sqlite_autoincrement": True},
    )

    id: int | None = Field(default=None, sa_column=Column(BigID, primary_key=True))
    owner_id: int | None = Field(default=None, sa_type=BigInteger)
    name: str
    rank: int | None = None
    version: int = 1
    created_at: datetime = Field(default_factory=now, sa_type=UTCDateTime)
    deleted_at: datetime | None = Field(default=None, sa_type=UTCDateTime)


class LeafResponse(BaseModel):
    id: int
    name: str
    rank: int | None
    created_at: AwareDatetime


@dataclass
class Served:
    app: FastAPI
    caller: httpx2.AsyncClient
    database: Database


async def get_caller(x_user: Annotated[int | None, Header()] = None) -> Caller:
    return Caller(1, x_user)


def make(database: Database) -> FastAPI:
    app = FastAPI()
    handle_errors(app)
    sign_with(app, "the secret of these leaves")

    async def note(response: Response) -> None:
        response.headers["X-Noted"] = "yes"

    async def begin(session: Annotated[AsyncSession, Depends(database.get_session)]) -> None:
        await session.execute(text("SELECT 1"))

    class Resource(stanchion.Resource[Leaf]):
        session = database.get_session
        caller = get_caller

    def leaves(**options: Any) -> Any:
        own = {"owner": "owner_id", "filters": ["name"], "sort": ["name", "rank"]} | options
        return Resource(Leaf, response=LeafResponse, **own)

    def add(name: str, resource: Any, **options: Any) -> None:
        app.include_router(resource.router(prefix=f"/{name}", without=["export"], **options))

    add("fast", leaves(), dependencies=[Depends(note)])
    add("slow", leaves(encode="application"), dependencies=[Depends(note)])
    add("open", leaves(owner="", deleted_at="deleted_at"))
    add("begun", leaves(), dependencies=[Depends(begin)])
    add("shaped", leaves(), default_response_class=Enveloped)
    return app


class Enveloped(JSONResponse):
    def render(self, content: Any) -> bytes:
        return super().render({"data": content})


async def fill(database: Database) -> None:
    async with database.engine.begin() as connection:
        await connection.run_sync(
            SQLModel.metadata.create_all, tables=[SQLModel.metadata.tables["reader_leaves"]]
        )
    async with database.transaction() as session:
        for number in range(ROWS):
            session.add(
                Leaf(
                    owner_id=(None, 1, 2)[number % 3],
                    name=f'"{number % 4}" \u00e4\u2028\U0001f600\\',
                    rank=number if number % 2 else None,
                    version=number,
                    deleted_at=now() if number == 4 else None,
                )
            )


@pytest.fixture(scope="module", params=ENGINES)
def built(request: pytest.FixtureRequest) -> Iterator[tuple[FastAPI, Database, Renewable]]:
    with renewable(request, fill) as one:
        database = Database(one.url)
        yield make(database), database, one


@pytest.fixture
async def served(built: tuple[FastAPI, Database, Renewable]) -> AsyncIterator[Served]:
    app, database, one = built
    one.renew()
    async with client(app, raise_app_exceptions=False) as caller:
        yield Served(app, caller, database)
    await database.close()


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was read past SQLAlchemy, statement by statement."""
    read: list[str] = []
    fetch = Direct.fetch

    async def noted(self: Direct, ready: Any, values: Any, **options: Any) -> Any:
        rows = await fetch(self, ready, values, **options)
        read.append(ready.sql if rows is not None else "")
        return rows

    monkeypatch.setattr(Direct, "fetch", noted)
    return read


def taken(database: Database) -> int:
    pool = database.engine.pool
    assert isinstance(pool, QueuePool)
    return pool.checkedout()


def told(response: httpx2.Response) -> dict[str, Any]:
    own = {"date", "server"}
    return {name: value for name, value in response.headers.items() if name not in own}


@pytest.mark.parametrize("user", [None, "1", "2", "3"])
async def test_the_same_reply_to_every_read(served: Served, read: list[str], user: str | None) -> None:
    headers = {"X-User": user} if user else {}
    paths = [
        "",
        "?limit=2",
        "?limit=2&offset=1",
        "?sort=name&limit=2",
        "?sort=-name",
        "?sort=rank,-name&limit=3",
    ]
    paths += [f"/{row_id}" for row_id in range(1, ROWS + 2)]
    for path in paths:
        fast = await served.caller.get(f"/fast{path}", headers=headers)
        assert len(read) == 1
        slow = await served.caller.get(f"/slow{path}", headers=headers)
        assert len(read) == 1
        read.clear()
        assert fast.status_code == slow.status_code
        if fast.is_success:
            assert fast.json() == slow.json()
            assert fast.content == slow.content
            assert told(fast) == {name: value.replace("/slow", "/fast") for name, value in told(slow).items()}
            assert fast.headers["X-Noted"] == "yes"


@pytest.mark.parametrize("sort", ["", "name", "-name", "rank", "-rank,name"])
async def test_every_page_forward_and_back(served: Served, read: list[str], sort: str) -> None:
    for name in ("fast", "open"):
        found: list[Any] = []
        path = f"/{name}?limit=2&sort={sort}"
        pages = []
        while path:
            page = await served.caller.get(path)
            pages.append(page.json())
            path = page.links.get("next", {}).get("url", "")
            last = page
        found = [row["id"] for page in pages for row in page]
        whole = await served.caller.get(f"/{name}?sort={sort}&count=exact")
        assert found == [row["id"] for row in whole.json()]
        assert len(found) == int(whole.headers["X-Total-Count"])
        back = last.links["prev"]["url"]
        assert (await served.caller.get(back)).json() == pages[-2]
    assert read
    assert "" not in read


async def test_304_and_what_is_not_there(served: Served, read: list[str]) -> None:
    first = await served.caller.get("/fast/1")
    assert first.headers["ETag"] == '"0"'
    same = await served.caller.get("/fast/1", headers={"If-None-Match": '"0"'})
    assert (same.status_code, same.content, same.headers["ETag"]) == (304, b"", '"0"')
    assert (await served.caller.get("/fast/1", headers={"If-None-Match": '"1"'})).status_code == 200
    assert (await served.caller.get("/fast/2")).status_code == 404  # somebody's
    assert (await served.caller.get("/open/2")).status_code == 200
    assert (await served.caller.get("/open/5")).status_code == 404  # deleted
    assert (await served.caller.get(f"/fast/{2**63 - 1}")).status_code == 404
    assert len(read) == 7


async def test_what_is_read_as_ever(served: Served, read: list[str]) -> None:
    for path in ("/slow", "/slow/1", "/begun", "/begun/1", "/fast?name__contains=2", "/fast?count=exact"):
        assert (await served.caller.get(path)).status_code == 200
    assert (await served.caller.get("/shaped/1")).json()["data"]["id"] == 1
    assert read == []


async def test_an_override_of_the_session_is_honoured(served: Served, read: list[str]) -> None:
    async def other(request: Request) -> AsyncIterator[AsyncSession]:
        async with AsyncSession(served.database.engine) as session:
            yield session

    served.app.dependency_overrides[served.database.get_session] = other
    try:
        assert (await served.caller.get("/fast/1")).json()["id"] == 1
    finally:
        served.app.dependency_overrides.clear()
    assert read == []


async def test_whoever_listens_to_the_engine_is_told(served: Served, read: list[str]) -> None:
    statements: list[str] = []

    def note(_: Any, __: Any, statement: str, *___: Any) -> None:
        statements.append(statement)

    event.listen(served.database.engine.sync_engine, "before_cursor_execute", note)
    try:
        assert (await served.caller.get("/fast/1")).json()["id"] == 1
        assert len((await served.caller.get("/fast")).json()) == 4
    finally:
        event.remove(served.database.engine.sync_engine, "before_cursor_execute", note)
    assert [one for one in statements if one.startswith("SELECT")] == read


async def test_what_narrows_each_statement_of_a_session_is_asked(served: Served, read: list[str]) -> None:
    def narrow(state: ORMExecuteState) -> None:
        state.statement = state.statement.options(with_loader_criteria(Leaf, col(Leaf.id) != 1))

    event.listen(Session, "do_orm_execute", narrow)
    try:
        assert (await served.caller.get("/fast/1")).status_code == 404
    finally:
        event.remove(Session, "do_orm_execute", narrow)
    assert read == []
    assert (await served.caller.get("/fast/1")).status_code == 200


async def test_what_tells_the_database_whose_a_transaction_is_is_asked(
    served: Served, read: list[str]
) -> None:
    began: list[Session] = []

    def begin(session: Session, *_: object) -> None:
        began.append(session)

    event.listen(Session, "after_begin", begin)
    try:
        assert (await served.caller.get("/fast/1")).status_code == 200
    finally:
        event.remove(Session, "after_begin", begin)
    assert read == []
    assert began
    assert (await served.caller.get("/fast/1")).status_code == 200
    assert read


@pytest.mark.parametrize("heard", ["engine_connect", "connect"])
async def test_who_prepares_connections_prepares_those_that_read(served: Served, heard: str) -> None:
    prepared: list[object] = []

    def prepare(connection: object, *_: object) -> None:
        prepared.append(connection)

    await served.database.engine.dispose()  # the next connection is a new one
    event.listen(served.database.engine.sync_engine, heard, prepare)
    assert (await served.caller.get("/fast/1")).status_code == 200
    assert prepared


async def test_a_table_that_is_not_there_is_asked_for_again(served: Served, read: list[str]) -> None:
    async with served.database.engine.begin() as connection:
        await connection.execute(text("ALTER TABLE reader_leaves RENAME TO elsewhere"))
    assert (await served.caller.get("/fast/1")).status_code == 500
    assert read == [""]


async def test_many_at_once(served: Served) -> None:
    replies: list[httpx2.Response] = []

    async def ask(path: str) -> None:
        replies.append(await served.caller.get(path))

    async with anyio.create_task_group() as group:
        for number in range(60):
            group.start_soon(ask, ("/fast/1", "/fast?sort=rank", "/slow/1")[number % 3])
    assert {one.status_code for one in replies} == {200}
    assert taken(served.database) == 0


async def test_a_client_that_leaves_gives_its_connection_back(served: Served) -> None:
    with anyio.move_on_after(0):
        await served.caller.get("/fast?sort=rank")
    assert (await served.caller.get("/fast/1")).status_code == 200
    assert taken(served.database) == 0


@pytest.fixture
async def on_file(sqlite_url: str) -> AsyncIterator[Database]:
    database = Database(sqlite_url)
    await fill(database)
    yield database
    await database.close()


async def test_a_read_waits_for_no_writer(on_file: Database) -> None:
    async with client(make(on_file)) as caller:
        with closing(sqlite3.connect(on_file.url.database or "", isolation_level=None)) as writer:
            writer.execute("BEGIN IMMEDIATE")
            writer.execute("UPDATE reader_leaves SET name = 'new'")
            assert (await caller.get("/fast/1")).json()["name"] != "new"
            writer.execute("COMMIT")
        assert (await caller.get("/fast/1")).json()["name"] == "new"


async def test_a_read_that_is_long_or_has_to_wait_goes_to_a_thread(
    on_file: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop_reader, "_LONGEST", 0)
    monkeypatch.setattr(loop_reader, "_STEP", 1)
    threads: list[str] = []
    pooled = Direct._pooled

    async def noted(self: Direct, sql: str, parameters: Any) -> Any:
        threads.append(sql)
        return await pooled(self, sql, parameters)

    monkeypatch.setattr(Direct, "_pooled", noted)
    async with client(make(on_file)) as caller:
        assert (await caller.get("/fast/1")).json()["id"] == 1
        assert len((await caller.get("/fast")).json()) == 4
    assert len(threads) == 2


async def test_what_is_short_by_its_construction(on_file: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    short: list[bool] = []
    fetch = Direct.fetch

    async def noted(self: Direct, ready: Any, values: Any, *, is_short: bool = False) -> Any:
        short.append(is_short)
        return await fetch(self, ready, values, is_short=is_short)

    monkeypatch.setattr(Direct, "fetch", noted)
    async with client(make(on_file)) as caller:
        for path, expected in {
            "/fast/1": True,
            "/fast?sort=name": True,
            "/fast?sort=-name&offset=1000": True,
            "/fast?sort=name&offset=1001": False,
            "/fast?sort=rank": False,  # no index, and it may be NULL
            "/fast?sort=name,-id": False,  # two directions
            "/open": False,  # however many are deleted, they are passed over
        }.items():
            assert (await caller.get(path)).status_code == 200
            assert short.pop() is expected, path


async def test_the_reader_of_the_loop_writes_nothing(on_file: Database) -> None:
    assert on_file.direct._loop_reader is not None
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        on_file.direct._loop_reader.fetch("UPDATE reader_leaves SET name = 'x'", ())
