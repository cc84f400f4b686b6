"""A new row, its event and its reply by one statement: as ever in all but the time, and when it is not so."""

import sqlite3
import traceback
from collections.abc import AsyncIterator, Callable, Iterator, MutableMapping
from contextlib import closing
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import anyio
import anyio.to_thread
import httpx2
import pytest
from fastapi import Depends, FastAPI, Header, Request
from pydantic import AwareDatetime, BaseModel
from sqlalchemy import BigInteger, Column, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import Field, SQLModel
from tests.databases import ENGINES, Renewable, renewable

import stanchion
from stanchion import Caller, Database
from stanchion.database import BigID, UTCDateTime, changes, migrations, now
from stanchion.database.direct import Direct
from stanchion.errors import ConflictError, handle_errors
from stanchion.events import Events
from stanchion.idempotency import Idempotency
from stanchion.reply import before_commit
from stanchion.resource import Access
from stanchion.resource.insertion import Insertion
from stanchion.resource.table import Described
from stanchion.signing import sign_with
from stanchion.stack import function_stack
from stanchion.testing import client

pytestmark = pytest.mark.anyio


class Pebble(SQLModel, table=True):
    __tablename__ = "inserter_pebbles"
    __table_args__ = {"sqlite_autoincrement": True}

    id: int | None = Field(default=None, sa_column=Column(BigID, primary_key=True))
    owner_id: int | None = Field(default=None, sa_type=BigInteger)
    name: str = Field(unique=True)
    found_at: datetime | None = Field(default=None, sa_type=UTCDateTime)
    version: int = 1
    created_at: datetime = Field(default_factory=now, sa_type=UTCDateTime)
    updated_at: datetime = Field(default_factory=now, sa_type=UTCDateTime)


class PebbleCreate(BaseModel):
    name: str
    found_at: AwareDatetime | None = None


class PebbleResponse(PebbleCreate):
    id: int
    created_at: AwareDatetime
    updated_at: AwareDatetime


async def get_caller(x_user: Annotated[int | None, Header()] = None) -> Caller:
    return Caller(5, x_user)


def make(database: Database) -> FastAPI:
    app = FastAPI()
    handle_errors(app)
    sign_with(app, "the secret of these pebbles")

    class Silent(stanchion.Resource[Pebble]):
        session = database.get_session
        caller = get_caller
        idempotency = Idempotency(database, caller=get_caller)

    class Resource(Silent):
        events = Events(database)

    app.state.events = Resource.events

    async def audit(session: Annotated[AsyncSession, Depends(database.get_session)]) -> AsyncIterator[None]:
        yield
        await session.execute(text("INSERT INTO inserter_audits (id) VALUES (1)"))

    def add(
        name: str, of: Any, encode: Any = "database", authorize: Any = None, **options: Any
    ) -> stanchion.Resource[Pebble]:
        resource: stanchion.Resource[Pebble] = of(
            Pebble,
            create=PebbleCreate,
            response=PebbleResponse,
            owner="owner_id",
            encode=encode,
            authorize=authorize,
        )
        app.include_router(resource.router(prefix=f"/{name}", without=["export", "import"], **options))
        return resource

    add("fast", Resource)
    add("slow", Resource, encode="application")
    add("silent", Silent)
    add("audited", Resource, dependencies=[Depends(audit, scope="function")])

    async def wrapped(session: Annotated[AsyncSession, Depends(database.get_session)]) -> AsyncSession:
        return session

    async def by_hand(request: Request) -> AsyncSession:
        return await database.get_session(request)

    def late(given: Any) -> Any:
        """Return a dependency that writes at the end, in the session that it is given."""

        async def late(request: Request, found: Annotated[Any, given]) -> None:
            session = found.session if isinstance(found, Access) else found
            statement = text("INSERT INTO inserter_audits (id) VALUES (1)")
            function_stack(request).push_async_callback(session.execute, statement)

        return Depends(late)

    def through(dependency: Any) -> Any:
        return type("Resource", (Resource,), {"session": dependency})

    given = Depends(database.get_session)
    add("wrapped-resource", through(wrapped), dependencies=[late(given)])
    add("resource-by-hand", through(by_hand), dependencies=[late(given)])
    add("audited-by-hand", Resource, dependencies=[late(Depends(by_hand))])
    access = Resource(Pebble, response=PebbleResponse, owner="owner_id").hooks.writing
    add("audited-by-access", Resource, dependencies=[late(access.__metadata__[0])])

    async def refuse(*_: Any) -> None:
        raise ConflictError("no room", "no_room")

    async def kept(request: Request) -> None:
        before_commit(request, refuse)

    async def ending() -> AsyncIterator[None]:
        yield
        await refuse()

    async def authorize(_: Annotated[None, Depends(ending, scope="function")]) -> None: ...

    add("kept", Resource, dependencies=[Depends(kept)])
    add("ending", Resource, authorize=authorize)
    return app


async def fill(database: Database) -> None:
    url = database.url.render_as_string(hide_password=False)
    with TemporaryDirectory() as nothing_of_an_app:
        await anyio.to_thread.run_sync(migrations.upgrade, url, Path(nothing_of_an_app))
    async with database.engine.begin() as connection:
        pebbles = SQLModel.metadata.tables["inserter_pebbles"]
        await connection.run_sync(SQLModel.metadata.create_all, tables=[pebbles])
        await connection.execute(text("CREATE TABLE inserter_audits (id INTEGER PRIMARY KEY)"))


Built = tuple[FastAPI, Database, Renewable]
Logged = list[MutableMapping[str, Any]]


@pytest.fixture(scope="module", params=ENGINES)
def built(request: pytest.FixtureRequest) -> Iterator[Built]:
    with renewable(request, fill) as one:
        database = Database(one.url)
        yield make(database), database, one


@pytest.fixture
async def database(built: Built) -> AsyncIterator[Database]:
    built[2].renew()
    yield built[1]
    await built[1].close()


@pytest.fixture
async def caller(built: Built, database: Database) -> AsyncIterator[httpx2.AsyncClient]:
    async with client(built[0], raise_app_exceptions=False, headers={"X-User": "7"}) as caller:
        yield caller


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """For each write past the session, whether the database took it."""
    written: list[bool] = []
    write = Direct.write

    async def noted(self: Direct, *arguments: Any) -> Any:
        rows = await write(self, *arguments)
        written.append(rows is not None)
        return rows

    monkeypatch.setattr(Direct, "write", noted)
    return written


async def rows(database: Database) -> list[dict[str, Any]]:
    async with database.read() as session:
        return [dict(one) for one in (await session.execute(select(Pebble.__table__))).mappings()]  # type: ignore[attr-defined] # SQLModel's table


async def events(database: Database) -> list[dict[str, Any]]:
    async with database.read() as session:
        statement = select(*changes.COLUMNS).where(changes.events.c.topic == "pebble")
        found = await session.execute(statement.order_by(changes.events.c.id))
        return [dict(one) for one in found.mappings()]


def without(row: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name not in names}


async def test_the_same_row_event_reply_and_log(
    caller: httpx2.AsyncClient,
    database: Database,
    written: list[bool],
    logged: list[MutableMapping[str, Any]],
) -> None:
    body = {"found_at": "2026-01-31T09:30:00.120000+02:00"}
    fast = await caller.post("/fast", json={"name": '"a" \u00e4', **body})
    assert written == [True]
    slow = await caller.post("/slow", json={"name": '"b" \u00e4', **body})
    assert written == [True]
    assert (fast.status_code, slow.status_code) == (201, 201)
    own = ("id", "name", "created_at", "updated_at")
    assert without(fast.json(), *own) == without(slow.json(), *own)
    assert list(fast.json()) == list(slow.json())
    assert fast.json() == (await caller.get("/slow/1")).json()
    assert fast.json()["created_at"] == fast.json()["updated_at"]
    assert (fast.headers["Location"], fast.headers["ETag"]) == ("/fast/1", '"1"')
    assert set(fast.headers) == set(slow.headers)
    first, second = await rows(database)
    assert without(first, *own) == without(second, *own)
    one, other = await events(database)
    assert without(one, "id", "key", "data", "created_at") == without(
        other, "id", "key", "data", "created_at"
    )
    assert (one["key"], one["owner_id"], one["key_id"], one["user_id"]) == ("1", 7, 5, 7)
    assert PebbleResponse.model_validate_json(one["data"]).model_dump_json() == fast.text
    said = [without(dict(line), "id") for line in logged if line["event"] == "created"]
    assert len(said) == 2
    assert said[0] == said[1]


async def test_a_refusal_says_what_it_always_did(
    caller: httpx2.AsyncClient, database: Database, written: list[bool]
) -> None:
    assert (await caller.post("/fast", json={"name": "a"})).status_code == 201
    refused = await caller.post("/fast", json={"name": "a"})
    assert (refused.status_code, refused.json()["error"]) == (409, "already_exists")
    assert refused.json()["errors"][0]["loc"] == ["body", "name"]
    assert written == [True, False]
    assert (await caller.post("/fast", json={"name": "a\x00b"})).status_code in (201, 422)
    assert len(await events(database)) == len(await rows(database))


async def test_what_is_inserted_as_ever(
    caller: httpx2.AsyncClient, database: Database, written: list[bool]
) -> None:
    keyed = {"Idempotency-Key": "k"}
    first = await caller.post("/fast", json={"name": "a"}, headers=keyed)
    again = await caller.post("/fast", json={"name": "a"}, headers=keyed)
    assert (first.status_code, first.json()) == (201, again.json())
    assert again.headers["Idempotent-Replayed"] == "true"
    assert (await caller.post("/audited", json={"name": "b"})).status_code == 201
    # What works in the same transaction fails: the row is not there either.
    assert (await caller.post("/audited", json={"name": "c"})).status_code == 409
    assert [one["name"] for one in await rows(database)] == ["a", "b"]
    assert written == []


@pytest.mark.parametrize(
    "path", ["/wrapped-resource", "/resource-by-hand", "/audited-by-hand", "/audited-by-access"]
)
async def test_whoever_comes_to_the_session_commits_with_the_row(
    path: str, caller: httpx2.AsyncClient, database: Database, written: list[bool]
) -> None:
    assert (await caller.post(path, json={"name": "a"})).status_code == 201
    assert (await caller.post(path, json={"name": "b"})).status_code == 409
    assert [one["name"] for one in await rows(database)] == ["a"]
    assert len(await events(database)) == 1
    assert written == []


async def test_a_dependency_that_is_replaced_may_come_to_the_session(
    built: Built,
    caller: httpx2.AsyncClient,
    database: Database,
    written: list[bool],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def replaced(
        request: Request, session: Annotated[AsyncSession, Depends(database.get_session)]
    ) -> Caller:
        statement = text("INSERT INTO inserter_audits (id) VALUES (1)")
        function_stack(request).push_async_callback(session.execute, statement)
        return Caller(5, 7)

    monkeypatch.setitem(built[0].dependency_overrides, get_caller, replaced)
    assert (await caller.post("/fast", json={"name": "a"})).status_code == 201
    assert (await caller.post("/fast", json={"name": "b"})).status_code == 409
    assert [one["name"] for one in await rows(database)] == ["a"]
    assert written == []


@pytest.mark.parametrize("path", ["/kept", "/ending"])
async def test_what_refuses_the_reply_before_the_commit_takes_the_row_back(
    path: str, caller: httpx2.AsyncClient, database: Database
) -> None:
    refused = await caller.post(path, json={"name": "a"})
    assert (refused.status_code, refused.json()["error"]) == (409, "no_room")
    assert await rows(database) == []
    assert await events(database) == []


async def test_a_resource_without_events_and_a_moment_without_a_text(
    caller: httpx2.AsyncClient, database: Database, written: list[bool]
) -> None:
    latest = "9999-12-31T23:59:59.999999Z"
    for path in ("/silent", "/fast"):
        made = await caller.post(path, json={"name": path, "found_at": latest})
        assert (made.status_code, made.json()["found_at"]) == (201, latest)
    kept = await rows(database)
    assert [one["name"] for one in kept] == ["/silent", "/fast"]
    assert [one["key"] for one in await events(database)] == [str(kept[1]["id"])]
    # On PostgreSQL that moment is `infinity`, of which SQLite knows nothing.
    assert written == [database.engine.dialect.name == "sqlite"] * 2


_IN_ANOTHER_FORM = {
    "postgresql": "SELECT 1",
    "sqlite": "CREATE TRIGGER another_hand AFTER INSERT ON inserter_pebbles BEGIN UPDATE inserter_pebbles "
    "SET found_at = '2026-01-31 09:30' WHERE id = new.id; END",
}
"""What makes a new row one whose text is NULL: on PostgreSQL an infinite moment is."""


@pytest.mark.parametrize("path", ["/silent", "/fast"])
async def test_a_row_without_a_text_that_is_gone_at_once(
    path: str, caller: httpx2.AsyncClient, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its reply is what was written, whatever another does with it when it can see it."""
    write = Direct.write

    async def followed(self: Direct, *arguments: Any) -> Any:
        rows = await write(self, *arguments)
        async with database.transaction() as session:
            await session.execute(text("DELETE FROM inserter_pebbles"))
        return rows

    async with database.transaction() as session:
        await session.execute(text(_IN_ANOTHER_FORM[database.engine.dialect.name]))
    monkeypatch.setattr(Direct, "write", followed)
    made = await caller.post(path, json={"name": "a", "found_at": "9999-12-31T23:59:59.999999Z"})
    assert (made.status_code, made.json()["name"]) == (201, "a")
    assert made.headers["Location"] == f"{path}/{made.json()['id']}"


async def test_whoever_waits_is_woken(caller: httpx2.AsyncClient, database: Database) -> None:
    async with database.wakes.listening(changes.TOPIC) as wake:
        await wake.wait(1)  # it says so once when it begins
        assert (await caller.post("/fast", json={"name": "a"})).status_code == 201
        assert await wake.wait(20)


async def test_many_at_once_each_whole(
    caller: httpx2.AsyncClient, database: Database, written: list[bool]
) -> None:
    replies: list[tuple[int, int]] = []

    async def post(number: int) -> None:
        made = await caller.post("/fast", json={"name": str(number % 40)})
        replies.append((number, made.status_code))

    async with anyio.create_task_group() as group:
        for number in range(60):
            group.start_soon(post, number)
    assert sorted(status for _, status in replies) == [201] * 40 + [409] * 20
    kept = await rows(database)
    assert len({one["name"] for one in kept}) == len(kept) == 40
    assert sorted(one["key"] for one in await events(database)) == sorted(str(one["id"]) for one in kept)
    assert len(written) == 60


async def test_one_of_many_takes_the_old_events_with_it(
    built: Built, caller: httpx2.AsyncClient, database: Database, written: list[bool]
) -> None:
    """Nobody waits for it."""
    await caller.post("/fast", json={"name": "first"})
    for turn in range(2):
        async with database.transaction() as session:
            await session.execute(update(changes.events).values(created_at=now() - timedelta(days=8)))
        built[0].state.events._appended = 252
        async with anyio.create_task_group() as group:
            for number in range(8):
                group.start_soon(lambda name: caller.post("/fast", json={"name": name}), f"{turn} {number}")
        await until(partial(lambda count: len(written) == count, 1 + 9 * (turn + 1)))  # and what is old
        assert len(await events(database)) == 8
    assert len(await rows(database)) == 17
    assert written == [True] * len(written)


async def test_a_row_stands_where_the_log_cannot_be_trimmed(
    built: Built, caller: httpx2.AsyncClient, database: Database, logged: Logged
) -> None:
    await caller.post("/fast", json={"name": "first"})
    async with database.transaction() as session:
        await session.execute(update(changes.events).values(created_at=now() - timedelta(days=8)))
        for statement in _KEEPS[database.engine.dialect.name]:
            await session.execute(text(statement))
    built[0].state.events._appended = 255
    logged.clear()
    assert (await caller.post("/fast", json={"name": "second"})).status_code == 201
    await until(lambda: any(line["event"] == "not_trimmed" for line in logged))
    assert [line["event"] for line in logged] == ["created", "not_trimmed"]
    assert "nothing goes" in "".join(traceback.format_exception(logged[1]["exc_info"]))
    assert len(await events(database)) == 2


_KEEPS = {
    "sqlite": [
        "CREATE TRIGGER keeps BEFORE DELETE ON stanchion_events"
        " BEGIN SELECT RAISE(ABORT, 'nothing goes'); END"
    ],
    "postgresql": [
        "CREATE FUNCTION keeps() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN RAISE EXCEPTION 'nothing goes'; END $$",
        "CREATE TRIGGER keeps BEFORE DELETE ON stanchion_events FOR EACH ROW EXECUTE FUNCTION keeps()",
    ],
}


async def until(happened: Callable[[], bool]) -> None:
    with anyio.fail_after(5):
        while not happened():  # noqa: ASYNC110 - nobody here could set an Event
            await anyio.sleep(0.005)


@pytest.mark.parametrize("topic", ["it's", "50% \\ off", "a:b $1 ?", 'a "b" {c}'])
async def test_a_topic_is_written_as_it_is(database: Database, topic: str) -> None:
    described = Described(Pebble, "pebble")
    insertion = Insertion(described, PebbleResponse, database.engine.dialect, owner="", topic=topic)
    steps = insertion.steps(("name", "version", "created_at", "updated_at"))
    assert steps is not None
    given = dict(zip(steps.names, ("red", 1, now(), now(), None, None, "r-1", now()), strict=True))
    assert await database.direct.write(steps.ready, given)
    async with database.read() as session:
        told = await session.execute(
            select(changes.events.c.topic, changes.events.c.kind, changes.events.c.key)
        )
        assert (topic, "created", "1") in [tuple(row) for row in told]


async def test_a_session_that_writes_meanwhile(sqlite_url: str, written: list[bool]) -> None:
    database = Database(sqlite_url)
    await fill(database)
    async with client(make(database)) as caller, anyio.create_task_group() as group:
        with closing(sqlite3.connect(database.url.database or "", isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            other.execute("INSERT INTO inserter_audits (id) VALUES (1)")
            for number in range(5):
                group.start_soon(lambda name: caller.post("/fast", json={"name": name}), str(number))
            await anyio.sleep(0.2)
            assert await rows(database) == []
            other.execute("COMMIT")
    assert len(await rows(database)) == 5
    assert written == [True] * 5
    await database.close()
    assert (await rows(database))[0]["id"] == 1
    await database.close()
