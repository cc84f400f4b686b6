"""CORS, whose refusals are problems."""

from collections.abc import AsyncIterator

import httpx2
import pytest
from fastapi import FastAPI, WebSocket
from fastapi.testclient import TestClient

from stanchion.app.cors import ProblemCORSMiddleware
from stanchion.errors import handle_errors
from stanchion.testing import client

pytestmark = pytest.mark.anyio

OURS = "http://localhost:3000"
ASKED = "Access-Control-Request-Method"


@pytest.fixture
def app() -> FastAPI:
    app = FastAPI()
    handle_errors(app)
    app.add_middleware(
        ProblemCORSMiddleware, allow_origins=[OURS], allow_credentials=True, allow_headers=["X-API-Key"]
    )

    @app.get("/")
    async def root() -> str:
        return "hello"

    @app.options("/")
    async def options() -> str:
        return "mine"

    @app.websocket("/echo")
    async def echo(socket: WebSocket) -> None:
        await socket.accept()
        await socket.send_text("hello")

    return app


@pytest.fixture
async def caller(app: FastAPI) -> AsyncIterator[httpx2.AsyncClient]:
    async with client(app) as caller:
        yield caller


async def test_a_preflight_of_ours(caller: httpx2.AsyncClient) -> None:
    response = await caller.options("/", headers={"Origin": OURS, ASKED: "GET"})
    assert response.status_code == 200
    assert response.headers["Access-Control-Allow-Origin"] == OURS
    assert response.headers["Access-Control-Allow-Credentials"] == "true"


@pytest.mark.parametrize(
    ("headers", "word"),
    [
        ({"Origin": "http://elsewhere.example", ASKED: "GET"}, "origin"),
        ({"Origin": OURS, ASKED: "PUT"}, "method"),
        ({"Origin": OURS, ASKED: "GET", "Access-Control-Request-Headers": "X-Other"}, "headers"),
    ],
)
async def test_a_refused_preflight_says_what(
    caller: httpx2.AsyncClient, headers: dict[str, str], word: str
) -> None:
    response = await caller.options("/", headers=headers)
    assert (response.status_code, response.json()["error"]) == (400, "cors_refused")
    assert response.json()["detail"] == f"Disallowed CORS {word}."
    assert response.headers["Content-Type"] == "application/problem+json"
    assert int(response.headers["Content-Length"]) == len(response.content)
    assert response.headers.get("Access-Control-Allow-Origin") != "http://elsewhere.example"


async def test_other_requests(caller: httpx2.AsyncClient) -> None:
    assert (await caller.options("/")).json() == "mine"
    assert (await caller.options("/", headers={"Origin": OURS})).json() == "mine"
    simple = await caller.get("/", headers={"Origin": OURS})
    assert (simple.json(), simple.headers["Access-Control-Allow-Origin"]) == ("hello", OURS)
    stranger = await caller.get("/", headers={"Origin": "http://elsewhere.example"})
    assert "Access-Control-Allow-Origin" not in stranger.headers
    nobody = await caller.get("/")
    assert (nobody.json(), nobody.headers["Vary"]) == ("hello", "Origin")


def test_a_websocket_is_left_alone(app: FastAPI) -> None:
    with TestClient(app).websocket_connect("/echo") as socket:
        assert socket.receive_text() == "hello"
