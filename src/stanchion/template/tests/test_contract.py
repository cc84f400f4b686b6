"""What holds for every route: deny by default, one shape of errors, a complete document."""

import re
from typing import Any

import httpx2
import pytest

pytestmark = pytest.mark.anyio
Headers = dict[str, str]

OPEN = {
    ("GET", "/"),
    ("GET", "/health"),
    ("GET", "/health/ready"),
    ("POST", "/api/users"),
    ("POST", "/api/keys"),
}


def operations() -> list[tuple[str, str, dict[str, Any]]]:
    from main import app

    return [
        (method.upper(), path, operation)
        for path, item in app.openapi()["paths"].items()
        for method, operation in item.items()
    ]


async def test_every_operation_wants_a_key(anyone: httpx2.AsyncClient) -> None:
    closed = [(method, path) for method, path, _ in operations() if (method, path) not in OPEN]
    assert len(closed) >= 10
    for method, path in closed:
        for headers in (
            {},
            {"X-API-Key": "st_aaaaaaaa_wrong"},
            {"Authorization": "Bearer x"},
            {"X-API-Key": ""},
        ):
            response = await anyone.request(method, path.replace("{", "").replace("}", ""), headers=headers)
            assert response.status_code == 401, (method, path)
            assert response.headers["WWW-Authenticate"]
            assert response.headers["Content-Type"] == "application/problem+json"
            assert {"type", "title", "status", "detail", "instance", "error", "request_id"} <= set(
                response.json()
            )


async def test_what_is_somebody_elses_is_not_there(
    anyone: httpx2.AsyncClient, ada: Headers, bob: Headers
) -> None:
    todo = await anyone.post("/api/todos", json={"title": "Buy milk"}, headers=ada)
    file = await anyone.post("/api/files", content=b"{}", headers={**ada, "Content-Type": "text/plain"})
    action = await anyone.post("/api/actions", json={"name": "build_export"}, headers=ada)
    ids = {
        f"{name}_id": one.json()["id"] for name, one in (("todo", todo), ("file", file), ("action", action))
    }
    ids["key_id"] = (await anyone.get("/api/keys", headers=ada)).json()[0]["id"]
    asked = set()
    for method, path, _ in operations():
        named = set(re.findall(r"{(\w+)}", path))
        if named and named <= set(ids):  # what `stanchion add` makes has such a test of its own
            asked |= named
            refused = await anyone.request(method, path.format(**ids), json={"title": "x"}, headers=bob)
            assert (refused.status_code, refused.headers["Content-Type"]) == (404, "application/problem+json")
    assert asked == set(ids)


async def test_a_body_that_is_nonsense(anyone: httpx2.AsyncClient, ada: Headers) -> None:
    for method, path, operation in operations():
        if "application/json" in operation.get("requestBody", {}).get("content", {}):
            url = re.sub(r"{\w+}", "1", path)
            for body in ([{"nonsense": 1}], {"nonsense": 1}, "nonsense", None):
                refused = await anyone.request(method, url, json=body, headers=ada)
                assert refused.status_code == 422, (method, path, body)
                assert refused.json()["errors"][0]["loc"][0] == "body"


async def test_every_operation_is_documented() -> None:
    ids = [operation["operationId"] for _, _, operation in operations()]
    assert len(set(ids)) == len(ids)
    for method, path, operation in operations():
        assert operation["summary"], path
        assert operation["tags"], path
        assert any(status.startswith("2") for status in operation["responses"]), path
        if (method, path) not in OPEN:
            assert {"401", "403"} <= set(operation["responses"]), path
        for status, response in operation["responses"].items():
            if int(status) >= 400:
                schema = response["content"]["application/problem+json"]["schema"]
                assert schema == {"$ref": "#/components/schemas/ErrorResponse"}


async def test_open_paths(anyone: httpx2.AsyncClient) -> None:
    assert (await anyone.get("/")).json() == {"message": "Todo API"}
    assert (await anyone.get("/health")).json() == {"status": "healthy"}
    assert (await anyone.get("/health/ready")).status_code == 200
    docs = await anyone.get("/docs")
    assert docs.status_code == 200
    assert "https://" not in docs.text


async def test_unknown_path_and_method(anyone: httpx2.AsyncClient) -> None:
    missing = await anyone.get("/nope")
    assert (missing.status_code, missing.json()["instance"]) == (404, "/nope")
    refused = await anyone.request("PURGE", "/api/todos/7")
    assert refused.status_code == 405
    assert refused.headers["Allow"] == "GET, HEAD, PUT, PATCH, DELETE"


async def test_request_id(anyone: httpx2.AsyncClient) -> None:
    mine = await anyone.get("/nope", headers={"X-Request-ID": "abc-1"})
    assert mine.headers["X-Request-ID"] == mine.json()["request_id"] == "abc-1"
    forged = await anyone.get("/", headers={"X-Request-ID": "a b"})
    assert forged.headers["X-Request-ID"] not in ("", "a b")


async def test_cors(anyone: httpx2.AsyncClient) -> None:
    ours = {"Origin": "http://localhost:3000", "Access-Control-Request-Method": "PATCH"}
    allowed = await anyone.options("/api/todos", headers=ours)
    assert allowed.status_code == 200
    assert allowed.headers["Access-Control-Allow-Origin"] == ours["Origin"]
    assert allowed.headers["Access-Control-Allow-Credentials"] == "true"
    refused = await anyone.options("/api/todos", headers={**ours, "Origin": "http://elsewhere.example"})
    assert (refused.status_code, refused.json()["error"]) == (400, "cors_refused")
    assert "Access-Control-Allow-Origin" not in refused.headers


async def test_bodies_that_cannot_be_read(anyone: httpx2.AsyncClient, ada: Headers) -> None:
    json = {**ada, "Content-Type": "application/json"}
    for content, status in (
        (b'{"title": "\xff"}', 400),
        (b"[" * 100_000, 400),
        (b"{", 422),
        (b'{"title": NaN}', 422),
    ):
        response = await anyone.post("/api/todos", content=content, headers=json)
        assert response.status_code == status
    large = await anyone.post("/api/todos", content=b"x" * 10_000_000, headers=json)
    assert large.status_code == 413


async def test_stream(anyone: httpx2.AsyncClient, ada: Headers) -> None:
    response = await anyone.post("/api/stream", json={"prompt": "buy milk"}, headers=ada)
    assert response.status_code == 200
    assert response.headers["Content-Type"].startswith("text/event-stream")
    events = [line for line in response.text.splitlines() if line.startswith("event:")]
    assert events == ["event: message", "event: message", "event: done"]
