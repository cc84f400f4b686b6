"""The stack that closes before the response: where FastAPI keeps it, in the version that is installed."""

from typing import Annotated

import fastapi
import pytest
from fastapi import Depends, FastAPI, Request, WebSocket
from fastapi.testclient import TestClient
from starlette.background import BackgroundTask
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from stanchion.stack import PROVEN_ON, function_stack
from stanchion.testing import client


def test_it_is_proven_on_this_fastapi() -> None:
    assert fastapi.__version__.rpartition(".")[0] in PROVEN_ON


@pytest.mark.anyio
async def test_it_closes_before_the_response_starts() -> None:
    happened: list[str] = []

    async def dependency(request: Request) -> None:
        function_stack(request).callback(happened.append, "closed")

    class Told(Response):
        async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
            happened.append("response")
            await super().__call__(scope, receive, send)

    app = FastAPI()

    @app.get("/", dependencies=[Depends(dependency)])
    async def root() -> Response:
        happened.append("returned")
        return Told(background=BackgroundTask(happened.append, "background"))

    async with client(app) as caller:
        await caller.get("/")
    assert happened == ["returned", "closed", "response", "background"]


def test_a_websocket_has_one_too() -> None:
    happened: list[str] = []
    app = FastAPI()

    async def dependency(socket: WebSocket) -> str:
        function_stack(socket).callback(happened.append, "closed")
        return "hello"

    @app.websocket("/")
    async def root(socket: WebSocket, word: Annotated[str, Depends(dependency)]) -> None:
        await socket.accept()
        await socket.send_text(word)

    with TestClient(app).websocket_connect("/") as socket:
        assert socket.receive_text() == "hello"
    assert happened == ["closed"]


def test_outside_a_path_operation_it_says_what_to_do() -> None:
    with pytest.raises(
        RuntimeError, match=r"use it as a dependency, or open `database\.transaction\(\)` yourself"
    ):
        function_stack(Request({"type": "http"}))
