"""The limit on the size of a body: 413, announced or not."""

from collections.abc import AsyncIterator

import httpx2
import pytest
from fastapi import FastAPI, Request, WebSocket
from fastapi.testclient import TestClient
from pydantic import BaseModel

from stanchion.app.body import BodyLimitMiddleware
from stanchion.errors import handle_errors
from stanchion.testing import client

pytestmark = pytest.mark.anyio

LIMIT = 100


class Item(BaseModel):
    name: str


@pytest.fixture
def app() -> FastAPI:
    app = FastAPI()
    handle_errors(app)
    app.add_middleware(BodyLimitMiddleware, max_body_size=LIMIT)

    @app.post("/raw")
    async def raw(request: Request) -> int:
        return len(await request.body())

    @app.post("/json")
    async def read(item: Item) -> int:
        return len(item.name)

    @app.websocket("/echo")
    async def echo(socket: WebSocket) -> None:
        await socket.accept()
        await socket.send_text(await socket.receive_text())

    return app


@pytest.fixture
async def caller(app: FastAPI) -> AsyncIterator[httpx2.AsyncClient]:
    async with client(app, headers={"Content-Type": "application/json"}) as caller:
        yield caller


async def in_pieces(size: int) -> AsyncIterator[bytes]:
    for _ in range(size // 10):
        yield b"x" * 10


async def test_up_to_the_limit(caller: httpx2.AsyncClient) -> None:
    assert (await caller.post("/raw", content=b"x" * LIMIT)).json() == LIMIT
    assert (await caller.post("/raw", content=in_pieces(LIMIT))).json() == LIMIT
    assert (await caller.post("/json", content=b'{"name": "abc"}')).json() == 3


@pytest.mark.parametrize("path", ["/raw", "/json", "/nope"])
async def test_announced_beyond_it(caller: httpx2.AsyncClient, path: str) -> None:
    response = await caller.post(path, content=b"x" * (LIMIT + 1))
    assert (response.status_code, response.json()["error"]) == (413, "content_too_large")
    assert response.json()["detail"] == "The body is larger than 100 bytes."
    assert response.headers["Content-Type"] == "application/problem+json"
    assert response.headers["Connection"] == "close"


@pytest.mark.parametrize("path", ["/raw", "/json"])
async def test_beyond_it_without_a_word(caller: httpx2.AsyncClient, path: str) -> None:
    response = await caller.post(path, content=in_pieces(LIMIT + 10))
    assert (response.status_code, response.json()["error"]) == (413, "content_too_large")
    assert response.headers["Content-Type"] == "application/problem+json"


@pytest.mark.parametrize(
    ("announced", "status"),
    [("9" * 5000, 413), ("0" * 30 + "101", 413), ("0" * 30, 200), ("abc", 200), ("-5", 200), ("\xb2", 200)],
)
async def test_a_length_that_is_no_length(caller: httpx2.AsyncClient, announced: str, status: int) -> None:
    headers = [(b"Content-Length", announced.encode("latin-1"))]
    assert (await caller.post("/raw", content=b"", headers=headers)).status_code == status


def test_a_websocket_is_left_alone(app: FastAPI) -> None:
    with TestClient(app).websocket_connect("/echo") as socket:
        socket.send_text("x" * LIMIT * 2)
        assert len(socket.receive_text()) == LIMIT * 2
