"""Logging: one line a thing, in both formats, with the request's id and without a secret."""

import asyncio
import json
import logging
import re
import sys
from contextvars import copy_context
from typing import Any

import pytest
import structlog
from fastapi import APIRouter, FastAPI, WebSocket
from fastapi.testclient import TestClient
from pydantic import SecretStr
from sqlalchemy.engine import make_url
from starlette.types import Message, Receive, Scope, Send
from structlog.testing import LogCapture
from tests.serving import served

from stanchion.errors import NotFoundError, handle_errors
from stanchion.logging import Format, RequestLogMiddleware, configure, log_requests
from stanchion.secret import new_key
from stanchion.testing import client

KEY = new_key()
URL = "postgresql://ada:hunter2@db.example/shop"
FORMATS = pytest.mark.parametrize("format", ["json", "console"])

Capture = pytest.CaptureFixture[str]


def lines(capsys: Capture) -> list[dict[str, Any]]:
    """What was logged as JSON, but for the lines of the client that asked."""
    said = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    return [line for line in said if line["logger"] != "httpx2"]


@pytest.fixture
def app() -> FastAPI:
    app = FastAPI()
    handle_errors(app)
    router = APIRouter(prefix="/items")

    @router.get("/{item_id}")
    async def read(item_id: int) -> None:
        structlog.stdlib.get_logger("shop").info("looked", item=item_id)
        if item_id > 1:
            raise NotFoundError

    @app.get("/crash")
    async def crash() -> None:
        raise RuntimeError(f"{KEY} {URL}")

    @app.websocket("/echo")
    async def echo(socket: WebSocket) -> None:
        await socket.accept()
        await socket.send_text("hello")

    app.include_router(router)
    log_requests(app)
    return app


def test_json_is_one_object_a_line(capsys: Capture) -> None:
    configure(format="json")
    structlog.stdlib.get_logger("shop").info("sold", item=7, left=None, price=1.5, at={"a": [1, (True,)]})
    logging.getLogger("library").warning("old %s", "style", extra={"more": 1})
    sold, old = lines(capsys)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z", sold.pop("timestamp"))
    assert sold == {
        "event": "sold",
        "item": 7,
        "left": None,
        "price": 1.5,
        "at": {"a": [1, [True]]},
        "level": "info",
        "logger": "shop",
    }
    assert (old["event"], old["level"], old["logger"], old["more"]) == ("old style", "warning", "library", 1)


def test_console_is_for_reading(capsys: Capture) -> None:
    configure(format="console")
    structlog.stdlib.get_logger("shop").info("sold", item=7)
    said = capsys.readouterr().err
    assert "sold" in said
    assert "item=7" in said
    assert "\x1b" not in said, "no terminal, no colours"


@pytest.mark.parametrize(("terminal", "readable"), [(True, True), (False, False)])
def test_auto_is_console_in_a_terminal(
    terminal: bool, readable: bool, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: terminal)
    configure()
    structlog.stdlib.get_logger("shop").info("sold")
    assert capsys.readouterr().err.startswith("{") is not readable


def test_the_level(capsys: Capture) -> None:
    configure(format="json", level="WARNING")
    for name in ("shop", "other"):
        structlog.stdlib.get_logger(name).info("sold")
        logging.getLogger(name).info("sold")
    structlog.stdlib.get_logger("shop").warning("sold out")
    assert [line["event"] for line in lines(capsys)] == ["sold out"]


def test_again_replaces_the_first_and_leaves_the_handlers_of_others(capsys: Capture) -> None:
    class Own(logging.StreamHandler[Any]): ...

    own = Own(sys.stdout)
    logging.getLogger().addHandler(own)
    try:
        configure(format="json")
        configure(format="json")
        structlog.stdlib.get_logger("shop").info("sold")
        captured = capsys.readouterr()
    finally:
        logging.getLogger().removeHandler(own)
    assert captured.err.count("sold") == 1
    assert "sold" in captured.out


@FORMATS
def test_no_secret_by_name_or_by_its_looks(format: Format, capsys: Capture) -> None:
    configure(format=format)
    names = (
        "password",
        "new_password",
        "API_KEY",
        "x-api-key",
        "authorization",
        "cookie",
        "DATABASE_URL",
        "token",
    )
    log = structlog.stdlib.get_logger("shop")
    log.info("named", **dict.fromkeys(names, "hunter2"), nested={"deep": [{"secret": "hunter2"}]})
    log.info(
        f"key {KEY} in the text",
        url=URL,
        texts=[KEY, {"a": f"<{KEY}>"}],
        error=ValueError(KEY),
        raw=KEY.encode(),
    )
    log.info(
        "odd",
        a="redis://:hunter2@cache",
        b="postgresql://ada:hun@ter2@db",
        c="//h/?password=hunter2&sslmode=on",
    )
    log.info("typed", url=make_url(URL), hidden=SecretStr("hunter2"))
    logging.getLogger("library").info("key %s at %s", KEY, URL)
    said = capsys.readouterr().err
    assert "named" in said
    assert "typed" in said
    assert "[redacted]" in said
    assert "sslmode=on" in said
    for secret in (KEY, KEY[12:], "hunter2", "ter2"):
        assert secret not in said


@FORMATS
def test_what_may_be_shown_is(format: Format, capsys: Capture) -> None:
    configure(format=format)
    structlog.stdlib.get_logger("shop").info("made", key_id=3, prefix=KEY[:11], site="https://a.example:80/b")
    said = capsys.readouterr().err
    assert KEY[:11] in said
    assert "https://a.example:80/b" in said
    assert "[redacted]" not in said


@FORMATS
def test_a_traceback_is_whole_but_for_its_secrets(format: Format, capsys: Capture) -> None:
    configure(format=format)
    try:
        raise RuntimeError(f"no {KEY} at {URL}")
    except RuntimeError as exc:
        kept = exc
    structlog.stdlib.get_logger("shop").error("failed", exc_info=kept)
    logging.getLogger("asyncio").error("never retrieved", exc_info=kept)  # outside of any except
    said = capsys.readouterr().err
    assert said.count("Traceback (most recent call last)") == 2
    assert said.count("RuntimeError: no [redacted] at postgresql://[redacted]@db.example/shop") == 2
    assert "hunter2" not in said
    assert KEY not in said


@pytest.mark.anyio
async def test_a_request_has_one_line_and_one_id(app: FastAPI, capsys: Capture) -> None:
    configure(format="json")
    async with client(app) as caller:
        response = await caller.get("/items/7?ticket=secret", headers={"X-Request-ID": "abc-1"})
    looked, request = lines(capsys)
    assert response.headers["X-Request-ID"] == looked["request_id"] == request["request_id"] == "abc-1"
    assert {name: request[name] for name in ("event", "method", "route", "status", "logger")} == {
        "event": "request",
        "method": "GET",
        "route": "/items/{item_id}",
        "status": 404,
        "logger": "stanchion.access",
    }
    assert 0 < request["duration_ms"] < 5000


@pytest.mark.anyio
async def test_a_path_that_no_route_answers_is_logged_as_it_is(app: FastAPI, capsys: Capture) -> None:
    configure(format="json")
    async with client(app) as caller:
        await caller.get("/nope?a=b")
        await caller.get("/nope")
    first, second = lines(capsys)
    assert (first["route"], first["status"]) == ("/nope", 404)
    assert first["request_id"] != second["request_id"]


@pytest.mark.anyio
async def test_who_configures_structlog_later_has_the_line_too(app: FastAPI) -> None:
    configure(format="json")
    captured = LogCapture()
    async with client(app) as caller:
        await caller.get("/nope")
        structlog.configure(processors=[captured])
        await caller.get("/later")
    assert [line["route"] for line in captured.entries if line["event"] == "request"] == ["/later"]


@pytest.mark.anyio
async def test_an_app_that_sends_no_headers_gets_its_id(app: FastAPI) -> None:
    async def bare(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200})
        await send({"type": "http.response.body"})

    app.mount("/bare", bare)
    async with client(app) as caller:
        response = await caller.get("/bare/", headers={"X-Request-ID": "abc-1"})
    assert (response.status_code, response.headers["X-Request-ID"]) == (200, "abc-1")


def test_a_request_that_is_thrown_away_ends_in_peace() -> None:
    async def waits(scope: Scope, receive: Receive, send: Send) -> None:
        await asyncio.sleep(0)

    async def never() -> Any:
        raise AssertionError("nobody asks")

    async def nowhere(_: Message) -> None:
        raise AssertionError("nobody answers")

    scope = {"type": "http", "method": "GET", "path": "/", "headers": []}
    request = RequestLogMiddleware(waits)(scope, never, nowhere)
    copy_context().run(request.send, None)
    request.close()  # in another context than it began in


def test_a_websocket_is_left_alone(app: FastAPI, capsys: Capture) -> None:
    with TestClient(app).websocket_connect("/echo") as socket:
        assert socket.receive_text() == "hello"


@pytest.mark.anyio
async def test_on_a_server_a_crash_is_logged_once_with_its_traceback(app: FastAPI, capsys: Capture) -> None:
    configure(format="json")
    async with served(app) as caller:
        response = await caller.get("/crash")
    failed, request = (
        line for line in lines(capsys) if line["logger"] != "uvicorn.error" or line["level"] != "info"
    )
    assert response.json()["request_id"] == failed["request_id"] == request["request_id"]
    assert (failed["event"], failed["level"], request["status"]) == ("failed", "error", 500)
    assert "RuntimeError: [redacted] postgresql://[redacted]@db.example/shop" in failed["exception"]


@pytest.mark.anyio
async def test_the_servers_own_lines_have_the_same_form(app: FastAPI, capsys: Capture) -> None:
    configure(format="json")
    async with served(app) as caller:
        await caller.get("/items/1")
    said = lines(capsys)
    assert all("color_message" not in line for line in said)
    assert {line["logger"] for line in said} == {"uvicorn.error", "shop", "stanchion.access"}, (
        "no second access log"
    )
