"""A path with and without its last slash."""

from collections.abc import AsyncIterator

import httpx2
import pytest
from fastapi import APIRouter, FastAPI, WebSocket
from fastapi.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from stanchion.app.slashes import answer_both_slashes
from stanchion.errors import handle_errors
from stanchion.testing import client

pytestmark = pytest.mark.anyio


@pytest.fixture
def app() -> FastAPI:
    app = FastAPI()
    handle_errors(app)
    answer_both_slashes(app)
    router = APIRouter(prefix="/todos")

    @router.get("")
    @router.post("")
    async def todos() -> str:
        return "todos"

    @router.get("/{todo_id}")
    async def todo(todo_id: int) -> int:
        return todo_id

    @app.get("/with/")
    async def with_slash() -> str:
        return "with"

    @app.get("/both")
    async def one() -> str:
        return "one"

    @app.get("/both/")
    async def other() -> str:
        return "other"

    @app.websocket("/echo")
    async def echo(socket: WebSocket) -> None:
        await socket.accept()

    app.include_router(router)
    return app


@pytest.fixture
async def caller(app: FastAPI) -> AsyncIterator[httpx2.AsyncClient]:
    async with client(app) as caller:
        yield caller


@pytest.mark.parametrize(
    ("path", "answer"),
    [
        ("/todos", "todos"),
        ("/todos/", "todos"),
        ("/todos/?a=b", "todos"),
        ("/todos/7/", 7),
        ("/with", "with"),
        ("/with/", "with"),
        ("/both", "one"),
        ("/both/", "other"),
    ],
)
async def test_both_answer_without_a_redirect(caller: httpx2.AsyncClient, path: str, answer: object) -> None:
    response = await caller.get(path)
    assert (response.status_code, response.json()) == (200, answer)


async def test_a_body_arrives(caller: httpx2.AsyncClient) -> None:
    assert (await caller.post("/todos/", json={})).json() == "todos"


@pytest.mark.parametrize("path", ["/nope", "/nope/", "/", "//", "/todos/7/8/"])
async def test_what_neither_answers_is_not_found(caller: httpx2.AsyncClient, path: str) -> None:
    response = await caller.get(f"http://testserver{path}")
    assert (response.status_code, response.json()["error"]) == (404, "not_found")


async def test_a_405_is_that_of_the_other(caller: httpx2.AsyncClient) -> None:
    response = await caller.delete("/todos/")
    assert (response.status_code, response.headers["Allow"]) == (405, "GET, POST")


def test_a_websocket_is_left_alone(app: FastAPI) -> None:
    with pytest.raises(WebSocketDisconnect), TestClient(app).websocket_connect("/echo/"):
        pass
