"""What a request has made is gone when it is answered: nothing of it is left to the garbage collector."""

import asyncio
import gc
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager
from typing import Any
from weakref import ref

import pytest
from starlette.types import Message
from tests.app.test_wiring import KEY, backend

pytestmark = pytest.mark.anyio


class Cycle:
    """A request and its response as servers hold them: what sends the response knows the scope."""

    def __init__(self, method: str, path: str, headers: dict[str, str], body: bytes) -> None:
        headers = {"content-length": str(len(body))} | headers if body else headers
        self.body, self.status = body, 0
        self.scope: dict[str, Any] = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": method,
            "scheme": "http",
            "path": path,
            "root_path": "",
            "query_string": b"",
            "headers": [(name.lower().encode(), value.encode()) for name, value in headers.items()],
            "server": ("127.0.0.1", 80),
            "client": ("127.0.0.1", 9999),
        }

    async def receive(self) -> Message:
        return {"type": "http.request", "body": self.body}

    async def send(self, message: Message) -> None:
        self.status = message.get("status", self.status)


@pytest.fixture
def uncollected() -> Iterator[None]:
    gc.disable()
    yield
    gc.enable()


@asynccontextmanager
async def started(app: Callable[..., Coroutine[Any, Any, None]]) -> AsyncIterator[None]:
    """Start an app as a server does, and stop it."""
    asked: asyncio.Queue[Message] = asyncio.Queue()
    told: asyncio.Queue[Message] = asyncio.Queue()
    running = asyncio.create_task(app({"type": "lifespan"}, asked.get, told.put))
    await asked.put({"type": "lifespan.startup"})
    assert (await told.get())["type"] == "lifespan.startup.complete"
    yield
    await asked.put({"type": "lifespan.shutdown"})
    await running


@pytest.mark.parametrize(
    ("method", "path", "headers", "body", "status"),
    [
        ("GET", "/items/1", {}, b"", 200),
        ("GET", "/items/1", {"Origin": "http://localhost:3000"}, b"", 200),
        ("HEAD", "/items/1", {}, b"", 200),
        ("GET", "/items/x", {}, b"", 422),
        ("GET", "/nothing", {}, b"", 404),
        ("PUT", "/items/1", {}, b"", 405),
        ("POST", "/items/1", {"Content-Type": "application/json"}, b'{"name": "Milk"}', 404),
        ("POST", "/items/1", {"Content-Type": "application/json"}, b"{}", 422),
        ("POST", "/items/1", {"Content-Type": "application/json"}, b" " * 101, 413),
        ("GET", "/health", {"X-API-Key": KEY}, b"", 200),
    ],
)
@pytest.mark.usefixtures("uncollected")
async def test_nothing_is_left_to_collect(
    method: str, path: str, headers: dict[str, str], body: bytes, status: int
) -> None:
    app = backend(LOG_LEVEL="ERROR")
    async with started(app):
        for _ in range(2):  # the first request makes what lasts
            cycle = Cycle(method, path, headers, body)
            await app(cycle.scope, cycle.receive, cycle.send)
            assert cycle.status == status
            scope, seen = cycle.scope, ref(cycle)
            del cycle
            assert seen() is None, scope
