"""HEAD wherever GET is answered."""

from collections.abc import AsyncIterator

import anyio
import httpx2
import pytest
from fastapi import FastAPI
from fastapi.responses import StreamingResponse

from stanchion.app.head import HeadMiddleware
from stanchion.errors import NotFoundError, handle_errors
from stanchion.logging import log_requests
from stanchion.testing import client

pytestmark = pytest.mark.anyio


@pytest.fixture
async def caller(closed: list[str]) -> AsyncIterator[httpx2.AsyncClient]:
    app = FastAPI()
    app.add_middleware(HeadMiddleware)
    handle_errors(app)
    log_requests(app)

    @app.get("/todos/{todo_id}")
    async def todo(todo_id: int) -> str:
        if todo_id == 404:
            raise NotFoundError
        return "Buy milk"

    @app.post("/todos")
    async def create() -> None: ...

    @app.get("/feed")
    async def feed() -> StreamingResponse:
        async def events() -> AsyncIterator[str]:
            try:
                while True:
                    yield "data: tick\n\n"
                    await anyio.sleep(0.01)
            finally:
                closed.append("feed")

        return StreamingResponse(events(), media_type="text/event-stream")

    async with client(app) as caller:
        yield caller


@pytest.fixture
def closed() -> list[str]:
    """The streams that have ended."""
    return []


async def test_it_is_get_without_the_body(caller: httpx2.AsyncClient) -> None:
    full = await caller.get("/todos/7")
    head = await caller.head("/todos/7")
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-length"] == full.headers["content-length"] == "10"
    assert head.headers["content-type"] == "application/json"


@pytest.mark.parametrize(("path", "status"), [("/todos/404", 404), ("/todos/x", 422), ("/nope", 404)])
async def test_so_is_an_error(caller: httpx2.AsyncClient, path: str, status: int) -> None:
    head = await caller.head(path)
    assert (head.status_code, head.content) == (status, b"")
    assert head.headers["content-type"] == "application/problem+json"


async def test_where_there_is_no_get_it_is_refused(caller: httpx2.AsyncClient) -> None:
    head = await caller.head("/todos")
    assert (head.status_code, head.content) == (405, b"")
    assert head.headers["allow"] == "POST"


async def test_a_405_names_it(caller: httpx2.AsyncClient) -> None:
    assert (await caller.delete("/todos/7")).headers["allow"] == "GET, HEAD"


async def test_the_log_has_the_method_and_the_route(
    caller: httpx2.AsyncClient, logged: list[dict[str, object]]
) -> None:
    await caller.head("/todos/7")
    assert [(line["method"], line["route"]) for line in logged] == [("HEAD", "/todos/{todo_id}")]


async def test_a_stream_ends_at_once(caller: httpx2.AsyncClient, closed: list[str]) -> None:
    head = await caller.head("/feed")
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-type"].startswith("text/event-stream")
    assert closed == ["feed"]
