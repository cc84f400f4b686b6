"""Event streams end when the process is told to stop; what has an end of its own is let finish."""

import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from types import FrameType
from typing import Any

import anyio
import anyio.lowlevel
import pytest
from fastapi import FastAPI, Request
from fastapi.responses import StreamingResponse
from starlette.types import Message

from stanchion.app.streams import StopStreamsMiddleware

pytestmark = pytest.mark.anyio


@pytest.fixture
def told() -> Iterator[list[int]]:
    """The signals that reached the server, which handles them as uvicorn does."""
    told: list[int] = []

    def handle(number: int, frame: FrameType | None) -> None:
        told.append(number)

    before = {number: signal.signal(number, handle) for number in (signal.SIGTERM, signal.SIGINT)}
    yield told
    for number, handler in before.items():
        assert signal.getsignal(number) is handle  # put back
        signal.signal(number, handler)


@pytest.fixture
def app() -> FastAPI:
    app = FastAPI()
    app.add_middleware(StopStreamsMiddleware)

    async def ticks(times: int) -> AsyncIterator[str]:
        for _ in range(times):
            yield "data: tick\n\n"
            await anyio.sleep(0.01)

    @app.post("/events")
    async def events(request: Request) -> StreamingResponse:
        assert await request.body() == b"ab"
        return StreamingResponse(ticks(10_000), media_type="text/event-stream")

    @app.get("/export")
    async def export() -> StreamingResponse:
        return StreamingResponse(ticks(5), media_type="application/jsonl")

    @app.get("/one")
    async def one() -> int:
        return 1

    return app


@asynccontextmanager
async def living(app: FastAPI) -> AsyncIterator[None]:
    """The lifespan of the app, as a server drives it."""
    start, stop, started, stopped = (anyio.Event() for _ in range(4))
    start.set()

    async def receive() -> Message:
        if not started.is_set():
            return {"type": "lifespan.startup"}
        await stop.wait()
        return {"type": "lifespan.shutdown"}

    async def send(message: Message) -> None:
        (started if message["type"] == "lifespan.startup.complete" else stopped).set()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(app, {"type": "lifespan", "app": app, "state": {}}, receive, send)
        await started.wait()
        yield
        stop.set()
        await stopped.wait()


class Exchange:
    """A request, and what the app sends; `leave` is the client's going."""

    def __init__(self, app: FastAPI, method: str, path: str, body: tuple[bytes, ...] = ()) -> None:
        self.app, self.method, self.path = app, method, path
        self.body = list(body) or [b""]
        self.sent: list[Message] = []
        self.flowing = anyio.Event()
        self.leave = anyio.Event()

    async def run(self) -> None:
        scope: dict[str, Any] = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "method": self.method,
            "path": self.path,
            "raw_path": self.path.encode(),
            "query_string": b"",
            "headers": [],
            "state": {},
        }
        await self.app(scope, self.receive, self.send)

    async def receive(self) -> Message:
        if self.body:
            chunk = self.body.pop(0)
            return {"type": "http.request", "body": chunk, "more_body": bool(self.body)}
        await self.leave.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        self.sent.append(message)
        if message.get("body"):
            self.flowing.set()

    @property
    def ended(self) -> bool:
        return [message.get("more_body", False) for message in self.sent[1:]].count(False) == 1


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_ends_event_streams_in_good_order(app: FastAPI, told: list[int], number: int) -> None:
    streams = [Exchange(app, "POST", "/events", (b"a", b"b")) for _ in range(3)]
    async with living(app), anyio.create_task_group() as tasks:
        for stream in streams:
            tasks.start_soon(stream.run)
            await stream.flowing.wait()
        signal.raise_signal(number)
    assert told == [number]
    assert all(stream.ended for stream in streams)
    late = Exchange(app, "GET", "/one")
    await late.run()
    assert late.sent[-1]["body"] == b"1"


async def test_a_stream_that_is_opened_while_stopping_ends_too(app: FastAPI, told: list[int]) -> None:
    stream = Exchange(app, "POST", "/events", (b"ab",))
    async with living(app):
        signal.raise_signal(signal.SIGTERM)
        await anyio.lowlevel.checkpoint()
        await stream.run()
    assert stream.sent[0]["status"] == 200
    assert stream.ended


async def test_another_stream_is_let_finish(app: FastAPI, told: list[int]) -> None:
    export = Exchange(app, "GET", "/export")
    async with living(app), anyio.create_task_group() as tasks:
        tasks.start_soon(export.run)
        await export.flowing.wait()
        signal.raise_signal(signal.SIGTERM)
    assert b"".join(message.get("body", b"") for message in export.sent).count(b"tick") == 5
    assert export.ended


async def test_a_client_that_leaves_is_noticed(app: FastAPI, told: list[int]) -> None:
    stream = Exchange(app, "POST", "/events", (b"ab",))
    async with living(app), anyio.create_task_group() as tasks:
        tasks.start_soon(stream.run)
        await stream.flowing.wait()
        stream.leave.set()
    assert not stream.ended  # to nobody is nothing sent
    assert told == []


async def test_a_signal_that_is_ignored_stays_ignored(app: FastAPI) -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        async with living(app):
            assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)


async def test_outside_the_main_thread_it_leaves_signals_alone(app: FastAPI) -> None:
    before = signal.getsignal(signal.SIGTERM)

    async def live() -> None:
        async with living(app):
            assert signal.getsignal(signal.SIGTERM) is before
            one = Exchange(app, "GET", "/one")
            await one.run()
            assert one.sent[-1]["body"] == b"1"

    await anyio.to_thread.run_sync(lambda: anyio.run(live))
