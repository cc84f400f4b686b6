"""The limit on the size of a body: 413, announced or not."""

import asyncio
import gzip
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest
from fastapi import APIRouter, FastAPI, Request, WebSocket
from fastapi.testclient import TestClient
from pydantic import BaseModel
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from tests.serving import served

from stanchion.app.body import BodyLimitMiddleware
from stanchion.app.slashes import answer_both_slashes
from stanchion.errors import handle_errors
from stanchion.logging import log_requests
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


async def test_a_path_operation_with_a_limit_of_its_own(app: FastAPI) -> None:
    inner, outer = APIRouter(prefix="/inner"), APIRouter(prefix="/outer")

    @inner.post("/large/{name}", max_body_size=LIMIT * 3)
    async def large(name: str, request: Request) -> int:
        return len(await request.body())

    @inner.post("/large/{name}/other")
    async def other(name: str, request: Request) -> int:
        return len(await request.body())

    outer.include_router(inner)
    app.include_router(outer)
    answer_both_slashes(app)
    async with client(app) as caller:
        for path in ("/outer/inner/large/x", "/outer/inner/large/x/"):
            assert (await caller.post(path, content=b"x" * LIMIT * 3)).json() == LIMIT * 3
            assert (await caller.post(path, content=in_pieces(LIMIT * 3))).json() == LIMIT * 3
            for content in (b"x" * (LIMIT * 3 + 1), in_pieces(LIMIT * 3 + 10)):
                refused = await caller.post(path, content=content)
                assert (refused.status_code, refused.json()["error"]) == (413, "content_too_large")
        for method, path in (
            ("POST", "/outer/inner/large/x/other"),
            ("POST", "/inner/large/x"),
            ("PUT", "/outer/inner/large/x"),
        ):
            answer = await caller.request(method, path, content=b"x" * (LIMIT + 1))
            assert answer.status_code == 413


class Unpacking:
    """Unpacks bodies before the limit, and takes away what was said of the packed ones."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        gone = (b"content-encoding", b"content-length")
        headers = [(name, value) for name, value in scope["headers"] if name not in gone]

        async def unpacked() -> Message:
            message = await receive()
            return {**message, "body": gzip.decompress(message["body"])}

        await self.app({**scope, "headers": headers}, unpacked, send)


@pytest.mark.parametrize("path", ["/raw", "/json"])
async def test_what_was_unpacked_before_is_counted(app: FastAPI, path: str) -> None:
    app.add_middleware(Unpacking)
    packed = gzip.compress(b" " * (LIMIT * 100))
    assert len(packed) <= LIMIT
    headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
    async with client(app, headers=headers) as caller:
        assert (await caller.post(path, content=packed)).status_code == 413


COUNTED = "starlette._body_limit_responder"
"""Where Starlette keeps what counts a body."""


@pytest.mark.parametrize("http", ["h11", "httptools"])
@pytest.mark.parametrize(
    ("around", "sent", "counted"),
    [
        ((), {"content": b"x" * LIMIT}, False),
        ((), {"content": in_pieces}, True),
        ((), {}, False),
        ((Unpacking,), {"content": gzip.compress(b"x"), "headers": {"Content-Encoding": "gzip"}}, True),
    ],
)
async def test_what_the_server_itself_has_measured_is_not_counted_once_more(
    app: FastAPI, http: Any, around: tuple[Any, ...], sent: dict[str, Any], counted: bool
) -> None:
    seen: list[bool] = []

    @app.post("/seen")
    async def seeing(request: Request) -> int:
        seen.append(COUNTED in request.scope)
        return len(await request.body())

    for one in around:
        app.add_middleware(one)
    options = {name: value(LIMIT) if callable(value) else value for name, value in sent.items()}
    async with served(app, http=http) as caller:
        answer = await caller.post("/seen", **options)
        assert (answer.status_code, seen) == (200, [counted])
        large = b"x" * LIMIT * 10
        content = gzip.compress(large) if around else in_pieces(len(large))
        assert (await caller.post("/raw", content=content)).status_code == 413


@pytest.mark.parametrize("http", ["h11", "httptools"])
@pytest.mark.parametrize("length", [b"5000", b"5000 ", b"5000\t", b" 5000 \t ", b"05000"])
async def test_space_around_a_length_is_none_of_it(app: FastAPI, http: Any, length: bytes) -> None:
    async with served(app, http=http) as caller:
        reader, writer = await asyncio.open_connection(caller.base_url.host, caller.base_url.port)
        head = b"POST /raw HTTP/1.1\r\nHost: a\r\nContent-Length:" + length + b"\r\n\r\n"
        writer.write(head + b"x" * 5000)
        assert (await reader.readline()).split()[1] == b"413"
        writer.close()


@pytest.mark.parametrize("http", ["h11", "httptools"])
async def test_a_limit_of_a_path_operation_that_does_not_answer_is_not_asked(app: FastAPI, http: Any) -> None:
    @app.post("/files/{name}")
    async def first(name: str, request: Request) -> int:
        return len(await request.body())

    @app.post("/files/{path:path}", max_body_size=LIMIT * 100)
    async def second(path: str, request: Request) -> int:
        return len(await request.body())

    async with served(app, http=http) as caller:
        assert (await caller.post("/files/a", content=b"x" * LIMIT * 50)).status_code == 413
        assert (await caller.post("/files/a/b", content=b"x" * LIMIT * 50)).json() == LIMIT * 50


class Forgetting:
    """Takes away the length of a body, which stays as it is."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        kept = [one for one in scope.get("headers", ()) if one[0] != b"content-length"]
        await self.app({**scope, "headers": kept}, receive, send)


async def test_a_body_whose_length_was_taken_away_is_counted(app: FastAPI) -> None:
    app.add_middleware(Forgetting)
    log_requests(app)
    async with served(app) as caller:
        assert (await caller.post("/raw", content=b"x" * LIMIT * 50)).status_code == 413
        assert (await caller.post("/raw", content=b"x" * LIMIT)).json() == LIMIT
