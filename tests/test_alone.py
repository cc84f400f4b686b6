"""Each part alone in a plain FastAPI app: what a reader would try first."""

from typing import Annotated

import pytest
from fastapi import Depends, FastAPI
from pydantic import SecretStr
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from stanchion import Caller, Database
from stanchion.errors import NotFoundError, handle_errors
from stanchion.security import KeyGuard
from stanchion.testing import client

pytestmark = pytest.mark.anyio


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
