"""Each part alone in a plain FastAPI app: what a reader would try first."""

import re
from pathlib import Path
from typing import Annotated, Any

import pytest
from fastapi import APIRouter, Depends, FastAPI, Query, Request
from pydantic import SecretStr
from sqlalchemy import MetaData, select, text
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import Field, SQLModel, col
from tests.events.following import following

from stanchion import Caller, Database
from stanchion.database import migrations
from stanchion.errors import NotFoundError, handle_errors
from stanchion.events import Events, EventStream
from stanchion.filtering import Filters
from stanchion.idempotency import Idempotency, IdempotentRoute
from stanchion.pagination import Page
from stanchion.security import KeyGuard
from stanchion.testing import client

pytestmark = pytest.mark.anyio


class Item(SQLModel, table=True):
    metadata = MetaData()

    id: int | None = Field(default=None, primary_key=True)
    title: str


async def test_errors() -> None:
    app = FastAPI()
    handle_errors(app)

    @app.get("/items/{item_id}")
    async def read(item_id: int) -> None:
        raise NotFoundError("Item not found", "item_not_found")

    async with client(app) as caller:
        response = await caller.get("/items/7")
    assert response.status_code == 404
    assert response.headers["Content-Type"] == "application/problem+json"
    assert (response.json()["error"], response.json()["instance"]) == ("item_not_found", "/items/7")


async def test_the_session(database_url: str) -> None:
    database = Database(database_url)
    async with database.transaction() as session:
        await session.execute(text("CREATE TABLE words (word text)"))
    app = FastAPI()

    @app.post("/words/{word}")
    async def write(word: str, session: Annotated[AsyncSession, Depends(database.get_session)]) -> None:
        await session.execute(text("INSERT INTO words VALUES (:word)"), {"word": word})

    async with client(app) as caller:
        assert (await caller.post("/words/hello")).status_code == 200
    async with database.read() as session:
        assert await session.scalar(text("SELECT word FROM words")) == "hello"
    await database.close()


async def test_keys(database_url: str) -> None:
    app = FastAPI()
    handle_errors(app)
    guard = KeyGuard(Database(database_url), service_key=SecretStr("the key of a server"))

    @app.get("/me")
    async def me(caller: Annotated[Caller, Depends(guard)]) -> str:
        return "the service" if caller.user_id is None else "a user"

    async with client(app) as caller:
        assert (await caller.get("/me")).status_code == 401
        response = await caller.get("/me", headers={"X-API-Key": "the key of a server"})
    assert (response.status_code, response.json()) == (200, "the service")


async def test_idempotency(database_url: str, tmp_path: Path) -> None:
    migrations.upgrade(database_url, tmp_path)  # in a terminal: `stanchion migrate`
    database = Database(database_url)

    async def get_caller(request: Request) -> Caller:
        return Caller(key_id=None, user_id=len(request.headers["Authorization"]))

    idempotent = Idempotency(database, caller=get_caller)
    router = APIRouter(route_class=IdempotentRoute)
    ran = []

    @router.post("/orders", status_code=201, dependencies=[Depends(idempotent)])
    async def create() -> int:
        ran.append("create")
        return len(ran)

    app = FastAPI()
    handle_errors(app)
    app.include_router(router)
    headers = {"Authorization": "me", "Idempotency-Key": "8e03978e"}
    async with client(app, headers=headers) as caller:
        replies = [await caller.post("/orders") for _ in range(2)]
    assert [(reply.status_code, reply.json()) for reply in replies] == [(201, 1), (201, 1)]
    assert (ran, replies[1].headers["Idempotent-Replayed"]) == (["create"], "true")
    await database.close()


async def test_events(database_url: str, tmp_path: Path) -> None:
    migrations.upgrade(database_url, tmp_path)  # in a terminal: `stanchion migrate`
    database = Database(database_url)
    events = Events(database)
    app = FastAPI()

    @app.post("/words/{word}")
    async def write(word: str, session: Annotated[AsyncSession, Depends(database.get_session)]) -> None:
        await events.append(session, "word", "created", word, {"word": word})

    @app.get("/words/events", response_class=EventStream)
    async def follow(stream: Annotated[EventStream, Depends(events.subscription("word"))]) -> EventStream:
        return stream

    async with following(app, "/words/events") as feed, client(app) as caller:
        await caller.post("/words/hello")
        await feed.has(1)
    assert (feed.read[0].event, feed.read[0].data["data"]) == ("created", {"word": "hello"})
    await database.close()


async def test_events_as_the_docs_show_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    page = (Path(__file__).parents[1] / "docs/how-to/feed.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"^```py\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    migrations.upgrade("sqlite:///./words.db", tmp_path)  # as the command does that stands below it
    words: dict[str, Any] = {}
    exec(code, words)
    app = words["app"]
    async with following(app, "/words/events") as feed, client(app) as caller:
        assert (await caller.post("/words/hello")).status_code == 201
        await feed.has(1)
        gone = await caller.get("/words/events", headers={"Last-Event-ID": "9-00000000"})
    assert (feed.read[0].event, feed.read[0].data["data"]) == ("created", {"word": "hello"})
    assert (gone.status_code, gone.json()["error"]) == (410, "event_position_gone")
    async with following(app, "/words/events", last_event_id=feed.read[0].id) as feed, client(app) as caller:
        await caller.post("/words/again")
        await feed.has(1)
    assert feed.keys == ["again"]
    await words["database"].close()


async def test_filters(database_url: str) -> None:
    filters = Filters(Item, ["title"])
    ItemQuery = filters.query(Page, "ItemQuery")  # noqa: N806 - a class
    database = Database(database_url)
    app = FastAPI()
    handle_errors(app)

    @app.get("/items")
    async def read(
        query: Annotated[ItemQuery, Query()],  # type: ignore[valid-type] # made at run time
        session: Annotated[AsyncSession, Depends(database.get_session)],
    ) -> list[str]:
        return list(await session.scalars(select(col(Item.title)).where(*filters.where(query))))

    async with database.transaction() as session:
        await (await session.connection()).run_sync(Item.metadata.create_all)
        session.add_all([Item(title="100%"), Item(title="1000")])
    async with client(app) as caller:
        assert (await caller.get("/items?title__contains=0%25")).json() == ["100%"]
        refused = await caller.get("/items?title__like=0%25")
    assert (refused.status_code, refused.json()["errors"][0]["loc"]) == (422, ["query", "title__like"])
    await database.close()


async def test_a_crash_shows_no_key(
    caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    app = FastAPI()
    handle_errors(app)  # and nothing has set up logging

    @app.get("/crash")
    async def crash() -> None:
        raise RuntimeError("a fault of the code")

    async with client(app, raise_app_exceptions=False) as caller:
        assert (await caller.get("/crash", headers={"X-API-Key": "st_SECRET"})).status_code == 500
    printed = capsys.readouterr()
    assert "a fault of the code" in caplog.text
    assert "st_SECRET" not in caplog.text + printed.out + printed.err
