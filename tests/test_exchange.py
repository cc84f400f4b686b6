"""One exchange for all middlewares of a request: what leaves is what each of them has said of it."""

from typing import Any

import pytest
from fastapi import FastAPI, Response
from starlette import datastructures
from starlette.middleware.base import BaseHTTPMiddleware, RequestResponseEndpoint
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from stanchion.app.head import HeadMiddleware
from stanchion.app.private import keep_private
from stanchion.errors import handle_errors
from stanchion.exchange import Exchange, Headers, put, values_of, vary
from stanchion.logging import log_requests
from stanchion.testing import client

pytestmark = pytest.mark.anyio

START: Message = {"type": "http.response.start", "status": 200}


def scope_of(*headers: tuple[bytes, bytes]) -> Scope:
    return {"type": "http", "headers": headers}


def sending() -> tuple[list[Message], Send]:
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    return sent, send


async def test_the_innermost_is_asked_first_and_all_send_once() -> None:
    scope, (sent, send) = scope_of((b"a", b"1"), (b"b", b"2"), (b"a", b"3")), sending()
    outer, first = Exchange.of(scope, send)
    inner, second = Exchange.of(scope, first)
    assert (inner, second) == (outer, first)
    outer.shapes.append(lambda exchange, headers: headers.append((b"last", str(exchange.status).encode())))
    inner.shapes.append(lambda _, headers: headers.append((b"first", b"")))
    assert (set(outer.asked), outer.status, outer.has_ended) == ({b"a", b"b"}, 0, False)
    await second({"type": "http.response.start", "status": 201})
    assert sent == [
        {"type": "http.response.start", "status": 201, "headers": [(b"first", b""), (b"last", b"201")]}
    ]
    await second({"type": "http.response.body", "body": b"a", "more_body": True})
    assert not outer.has_ended
    await second({"type": "http.response.trailers", "headers": []})
    await second({"type": "http.response.body"})
    assert (outer.status, outer.has_ended, len(sent)) == (201, True, 4)
    assert values_of(Request(scope), b"a") == ["1", "3"]

    class Own(Request):
        @property
        def headers(self) -> datastructures.Headers:
            return datastructures.Headers(raw=[(b"a", b"own")])

    assert values_of(Own(scope), b"a") == ["own"]


async def test_the_headers_of_an_app_are_not_changed_for_its_next_response() -> None:
    kept: Headers = [(b"a", b"1")]
    for _ in range(2):
        (sent, send), scope = sending(), scope_of()
        exchange, send = Exchange.of(scope, send)
        exchange.shapes.append(lambda _, headers: vary(headers, b"Origin"))
        await send({**START, "headers": kept})
        assert sent[0]["headers"] == [(b"a", b"1"), (b"vary", b"Origin")]


async def test_a_message_of_an_app_is_not_changed_for_its_next_response() -> None:
    kept: Message = {**START, "headers": [(b"a", b"1")]}
    for _ in range(2):
        (sent, send), scope = sending(), scope_of()
        exchange, send = Exchange.of(scope, send)
        exchange.shapes.append(lambda _, headers: vary(headers, b"Origin"))
        await send(kept)
        assert sent[0]["headers"] == [(b"a", b"1"), (b"vary", b"Origin")]


async def test_whoever_stands_between_has_an_exchange_of_its_own() -> None:
    scope, (sent, send) = scope_of(), sending()
    held: list[Message] = []
    outer, _ = Exchange.of(scope, send)

    async def hold(message: Message) -> None:
        held.append(message)

    inner, into = Exchange.of(scope, hold)
    await into(dict(START))
    assert (inner.status, outer.status, sent, len(held)) == (200, 0, [], 1)


async def test_a_request_that_is_sent_through_again_is_told_of_again() -> None:
    scope = scope_of()
    for _ in range(2):
        sent, send = sending()
        exchange, send = Exchange.of(scope, send)
        exchange.shapes.append(lambda _, headers: put(headers, b"x-request-id", b"1"))
        assert exchange.status == 0
        await send(dict(START))
        assert sent[0]["headers"] == [(b"x-request-id", b"1")]


def test_headers() -> None:
    headers: Headers = [(b"x", b"1"), (b"y", b"2"), (b"x", b"3")]
    put(headers, b"x", b"4")
    put(headers, b"z", b"5")
    assert headers == [(b"x", b"4"), (b"y", b"2"), (b"z", b"5")]
    vary(headers, b"A")
    vary(headers, b"B")
    assert headers[-1] == (b"vary", b"A, B")


class Twice:
    """Asks an app again where the first answer is a failure, as something that retries does."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        for _ in range(2):
            sent, noted = sending()
            try:
                await self.app(scope, receive, noted)
            except RuntimeError:
                continue
        for message in sent:
            await send(message)


@pytest.fixture
def failing() -> FastAPI:
    """An app whose responses fail before, or behind, their beginning."""
    app = FastAPI()
    app.add_middleware(HeadMiddleware, shapes=[keep_private])
    handle_errors(app)
    app.state.asked = 0

    class Failing(Response):
        async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
            await send({"type": "http.response.start", "status": 200, "headers": []})
            if scope["path"] == "/late":
                await send({"type": "http.response.body", "body": b"a" * 1000, "more_body": True})
            raise RuntimeError("in the middle")

    @app.get("/early")
    @app.get("/late")
    async def fail() -> Response:
        return Failing()

    @app.get("/once")
    async def once() -> str:
        app.state.asked += 1
        if app.state.asked == 1:
            raise RuntimeError("the first time")
        return "well"

    return app


async def messages(app: ASGIApp, path: str) -> tuple[list[Message], BaseException | None]:
    """Return what an app sends, and what it raises."""
    sent, send = sending()
    scope: dict[str, Any] = {"type": "http", "http_version": "1.1", "method": "GET", "path": path}
    scope |= {"query_string": b"", "headers": [(b"accept-encoding", b"gzip"), (b"x-api-key", b"a")]}

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    try:
        await app(scope, receive, send)
    except Exception as exc:
        return sent, exc
    return sent, None


@pytest.mark.parametrize("path", ["/early", "/late"])
async def test_a_response_that_has_begun_is_not_begun_again(path: str, failing: FastAPI) -> None:
    log_requests(failing)
    sent, raised = await messages(failing, path)
    assert [message["type"] for message in sent][:1] == ["http.response.start"]
    assert len([message for message in sent if message["type"] == "http.response.start"]) == 1
    assert (sent[0]["status"], str(raised)) == (200, "in the middle")


@pytest.mark.parametrize("path", ["/early", "/late"])
async def test_nor_where_somebody_holds_its_beginning_back(path: str, failing: FastAPI) -> None:
    """GZip waits for the first of the body: nobody outside knows yet that a response has begun."""
    failing.add_middleware(GZipMiddleware)
    log_requests(failing)
    sent, raised = await messages(failing, path)
    assert str(raised) == "in the middle"
    assert [message["status"] for message in sent if "status" in message] == [200 if path == "/late" else 500]
    if path == "/early":  # Starlette, which stands outside of all, knows of no beginning
        assert (b"content-type", b"text/plain; charset=utf-8") in sent[0]["headers"]


@pytest.mark.parametrize("path", ["/early", "/late"])
async def test_nor_where_it_goes_through_a_middleware_of_starlettes(path: str, failing: FastAPI) -> None:
    class Passing(BaseHTTPMiddleware):
        async def dispatch(self, request: Request, call_next: RequestResponseEndpoint) -> Response:
            return await call_next(request)

    failing.add_middleware(Passing)
    log_requests(failing)
    sent, raised = await messages(failing, path)
    assert str(raised) == "in the middle"
    assert [message["status"] for message in sent if "status" in message] == [200]


async def test_what_is_asked_again_with_the_same_scope_is_answered_whole(failing: FastAPI) -> None:
    log_requests(failing)
    failing.add_middleware(Twice)
    sent, raised = await messages(failing, "/once")
    assert raised is None
    names = [name for name, _ in sent[0]["headers"]]
    assert sent[0]["status"] == 200
    assert (names.count(b"x-request-id"), names.count(b"vary"), names.count(b"cache-control")) == (1, 1, 1)


async def test_an_app_that_is_mounted_says_what_it_has_to_say(failing: FastAPI) -> None:
    outer = FastAPI()
    handle_errors(outer)
    outer.mount("/in", failing)
    outer.add_route("/plain", lambda _: PlainTextResponse("well"))
    log_requests(outer)
    async with client(outer, raise_app_exceptions=False, headers={"X-API-Key": "a"}) as caller:
        failed = await caller.get("/in/once")
        assert (failed.status_code, failed.headers["Cache-Control"]) == (500, "private, no-cache")
        again = await caller.get("/in/once")
        assert (again.json(), again.headers["Vary"].count("Cookie")) == ("well", 1)
        assert "Vary" not in (await caller.get("/plain")).headers


async def test_what_could_not_begin_has_all_when_it_begins_once_more() -> None:
    sent: list[Message] = []

    async def refusing(message: Message) -> None:
        if message["status"] == 200:
            raise ValueError
        sent.append(message)

    exchange, send = Exchange.of(scope_of(), refusing)
    exchange.shapes.append(lambda _, headers: headers.append((b"x-request-id", b"1")))
    with pytest.raises(ValueError):  # noqa: PT011 - this test's own
        await send(START)
    await send({**START, "status": 500})
    assert sent[0]["headers"] == [(b"x-request-id", b"1")]
    assert exchange.shapes == []
