"""What is answered to a key is stored by no shared cache."""

import pytest
from fastapi import FastAPI, Response

from stanchion.app.head import HeadMiddleware
from stanchion.app.private import keep_private
from stanchion.testing import client

pytestmark = pytest.mark.anyio


@pytest.fixture
def app() -> FastAPI:
    app = FastAPI()
    app.add_middleware(HeadMiddleware, shapes=[keep_private])

    @app.get("/")
    async def root(response: Response) -> str:
        response.headers["Vary"] = "Origin"
        return "hello"

    @app.get("/own")
    async def own(response: Response) -> str:
        response.headers["Cache-Control"] = "no-store"
        return "hello"

    return app


@pytest.mark.parametrize("name", ["X-API-Key", "Authorization", "Cookie"])
async def test_with_a_credential(app: FastAPI, name: str) -> None:
    async with client(app) as caller:
        answer = await caller.get("/", headers={name: "a"})
        missing = await caller.get("/nope", headers={name: "a"})
        own = await caller.get("/own", headers={name: "a"})
    assert answer.headers["Cache-Control"] == missing.headers["Cache-Control"] == "private, no-cache"
    assert answer.headers["Vary"] == "Origin, Authorization, X-API-Key, X-User-ID, Cookie"
    assert own.headers["Cache-Control"] == "no-store"


async def test_without_one(app: FastAPI) -> None:
    async with client(app) as caller:
        answer = await caller.get("/")
    assert "Cache-Control" not in answer.headers
    assert answer.headers["Vary"] == "Origin"
