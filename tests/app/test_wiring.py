"""install: the parts together, around routes added before and after."""

import json
from typing import Any
from unittest.mock import AsyncMock

import httpx2
import pytest
from fastapi import APIRouter, FastAPI, Request
from pydantic import BaseModel
from starlette.types import Receive, Scope, Send

from stanchion import Database, Settings, install
from stanchion.errors import NotFoundError
from stanchion.place import place
from stanchion.routing import CompiledRoute, shortcut
from stanchion.routing.handling import handle
from stanchion.secret import new_key
from stanchion.testing import client

pytestmark = pytest.mark.anyio

KEY = new_key()
OURS = {"Origin": "http://localhost:3000"}


class Item(BaseModel):
    name: str


def backend(*, database: Database | None = None, **values: Any) -> FastAPI:
    app = FastAPI(title="Shop")

    @app.post("/items/{item_id}")
    async def write(item_id: int, item: Item) -> None:
        raise NotFoundError("Item not found", "item_not_found")

    defaults = {
        "DATABASE_URL": "sqlite:///./app.db",
        "API_KEY": KEY,
        "LOG_FORMAT": "json",
        "MAX_BODY_SIZE": 100,
    }
    install(app, Settings.load(**{**defaults, **values}), database)

    @app.get("/items/{item_id}")
    async def read(item_id: int) -> int:
        return 1 // item_id

    @app.get("/crash")
    async def crash() -> None:
        raise RuntimeError(KEY)

    return app


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    said = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    return [line for line in said if line["logger"] != "httpx2"]


async def ask(method: str, path: str, app: FastAPI | None = None, **options: Any) -> httpx2.Response:
    async with client(app or backend(), raise_app_exceptions=False) as caller:
        return await caller.request(method, path, **options)


async def test_a_crash_has_all_that_another_reply_has(capsys: pytest.CaptureFixture[str]) -> None:
    response = await ask("GET", "/crash", headers={**OURS, "X-Request-ID": "abc-1"})
    assert (response.status_code, response.json()["error"]) == (500, "internal_server_error")
    assert response.headers["Access-Control-Allow-Origin"] == OURS["Origin"]
    assert "X-Request-ID" in response.headers["Access-Control-Expose-Headers"]
    assert response.headers["X-Request-ID"] == response.json()["request_id"] == "abc-1"
    failed, request = lines(capsys)
    assert (failed["event"], failed["request_id"]) == ("failed", "abc-1")
    assert "RuntimeError: [redacted]" in failed["exception"]
    assert KEY not in str(failed) + response.text
    assert (request["event"], request["status"], request["route"]) == ("request", 500, "/crash")


@pytest.mark.parametrize(
    ("method", "path", "options", "status"),
    [
        ("GET", "/nope", {}, 404),
        ("GET", "/items/x", {}, 422),
        ("POST", "/items/1", {"json": {"name": "a"}}, 404),
        ("POST", "/items/1", {"json": {}}, 422),
        ("POST", "/items/1/", {"json": {"name": "a" * 100}}, 413),
        ("DELETE", "/items/1", {}, 405),
        ("OPTIONS", "/items/1", {"headers": {**OURS, "Access-Control-Request-Method": "PURGE"}}, 400),
    ],
)
async def test_every_error_is_a_problem_with_an_id_and_cors(
    method: str, path: str, options: dict[str, Any], status: int
) -> None:
    response = await ask(method, path, **{"headers": OURS, **options})
    assert response.status_code == response.json()["status"] == status
    assert response.headers["Content-Type"] == "application/problem+json"
    assert response.headers["X-Request-ID"] == response.json()["request_id"]
    assert response.headers["Access-Control-Allow-Origin"] == OURS["Origin"]


async def test_routes_added_before_and_after_are_documented() -> None:
    document = (await ask("GET", "/openapi.json")).json()
    assert {"/items/{item_id}", "/crash", "/health"} <= set(document["paths"])
    assert list(document["paths"]["/items/{item_id}"]["post"]["responses"]) == ["200", "400", "413", "422"]
    assert "/health/ready" not in document["paths"]


async def test_with_a_database_it_is_asked(sqlite_url: str) -> None:
    database = Database(sqlite_url)
    assert (await ask("GET", "/health/ready", backend(database=database))).json() == {"status": "healthy"}
    await database.close()


async def test_a_405_names_all_methods_though_added_apart() -> None:
    response = await ask("PATCH", "/items/1")
    assert response.headers["Allow"] == "GET, HEAD, POST"


async def test_origins_and_credentials_come_from_the_settings() -> None:
    app = backend(CORS_ORIGINS="*", CORS_CREDENTIALS=False)
    response = await ask("GET", "/health", app, headers={"Origin": "http://elsewhere.example"})
    assert response.headers["Access-Control-Allow-Origin"] == "*"
    assert "Access-Control-Allow-Credentials" not in response.headers


async def test_a_key_in_a_header_needs_no_credentials() -> None:
    """What the page of docs/how-to/feed.md asks from another origin, without a cookie."""
    app = backend(CORS_ORIGINS="https://app.example.com", CORS_CREDENTIALS=False)
    theirs = {"Origin": "https://app.example.com"}
    asked = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "x-api-key"}
    preflight = await ask("OPTIONS", "/items/1", app, headers=theirs | asked)
    assert preflight.status_code == 200
    for response in (preflight, await ask("GET", "/health", app, headers=theirs)):
        assert response.headers["Access-Control-Allow-Origin"] == theirs["Origin"]
        assert "Access-Control-Allow-Credentials" not in response.headers


async def test_docs_are_local() -> None:
    assert "https://" not in (await ask("GET", "/docs")).text


async def test_a_compiled_route_is_matched_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether its router is included before `install` or after it."""
    router = APIRouter(route_class=CompiledRoute)

    @router.get("/compiled")
    async def compiled(request: Request) -> str:
        return str(getattr(place(request.scope), "path", None))

    app = FastAPI()
    app.include_router(router, prefix="/before")
    install(app, Settings.load(DATABASE_URL="sqlite:///./app.db", API_KEY=KEY))
    app.include_router(router, prefix="/after")
    handled = AsyncMock(wraps=handle)
    monkeypatch.setattr(shortcut, "handle", handled)
    for path in ("/before/compiled", "/after/compiled"):
        assert (await ask("GET", path, app)).json() == path
    assert handled.await_count == 2


@pytest.mark.parametrize("sent", [{}, OURS, {"X-API-Key": KEY}])
async def test_a_mounted_app_may_send_no_headers(sent: dict[str, str]) -> None:
    async def bare(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200})
        await send({"type": "http.response.body", "body": b"bare"})

    app = backend()
    app.mount("/bare", bare)
    response = await ask("GET", "/bare/", app, headers=sent)
    assert (response.status_code, response.text) == (200, "bare")
    assert response.headers["X-Request-ID"]
    assert response.headers["Vary"].endswith("Origin")


async def test_the_log_level_comes_from_the_settings(capsys: pytest.CaptureFixture[str]) -> None:
    await ask("GET", "/health", backend(LOG_LEVEL="ERROR"))
    assert lines(capsys) == []
