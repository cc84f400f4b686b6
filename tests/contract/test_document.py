"""What the OpenAPI document shows of a header, against what a request gets: both on the running backend."""

import re
import secrets
from collections.abc import Mapping
from typing import Any

import httpx2
import pytest
from tests.backend import Backend

EMAIL = f"{secrets.token_hex(8)}@example.com"
SENT: Mapping[str, dict[str, Any]] = {
    "/api/todos": {"json": {"title": "Buy milk"}},
    "/api/users": {"json": {"email": EMAIL, "name": "Ada", "password": "correct horse battery"}},
    "/api/actions": {"json": {"name": "archive_completed"}},
    "/api/files": {"content": b"{}", "headers": {"Content-Type": "text/plain"}},
}
"""What makes a thing, by the path of the POST."""


def shape(value: str) -> str:
    """Return a header with the ids, the cursors and the texts of ETags taken out."""
    return re.sub(r'(?<=cursor=)[\w-]+|(?<=/)\d+|(?<=")\d+(?=")', "*", value)


def examples(operation: Mapping[str, Any], status: int) -> dict[str, str]:
    headers = operation["responses"][str(status)].get("headers", {})
    return {name: headers[name]["example"] for name in ("ETag", "Link", "Location") if name in headers}


def seen(response: httpx2.Response) -> dict[str, str]:
    return {name: response.headers[name] for name in ("ETag", "Link", "Location") if name in response.headers}


@pytest.mark.slow
def test_its_examples_of_headers_are_what_comes(backend: Backend) -> None:
    """Once on each engine: the fixture is shared, the databases are not."""
    with backend.client(headers=backend.headers) as caller:
        paths = caller.get("/openapi.json").json()["paths"]
        told = {
            (path, status)
            for path, item in paths.items()
            for status, response in item.get("post", {}).get("responses", {}).items()
            if "Location" in response.get("headers", {})
        }
        assert {path for path, _ in told} == set(SENT)
        for path, sent in SENT.items():
            made = caller.post(path, **sent)
            assert (path, str(made.status_code)) in told
            documented = examples(paths[path]["post"], made.status_code)
            assert {name: shape(one) for name, one in documented.items()} == {
                name: shape(one) for name, one in seen(made).items()
            }
            assert documented.get("ETag") == made.headers.get("ETag")  # of a new thing: the very first
        for path in ("/api/todos", "/api/files"):
            caller.post(path, **SENT[path])  # with the one from above, more than fit
            listed = caller.get(path, params={"limit": 1})
            assert "next" in listed.links
            documented = examples(paths[path]["get"], 200)
            assert shape(listed.headers["Link"]) == shape(documented["Link"].replace("limit=50", "limit=1"))


@pytest.mark.slow
def test_it_says_how_to_sign_in(backend: Backend) -> None:
    with backend.client() as caller:
        document = caller.get("/openapi.json").json()
        caller.post("/api/users", **SENT["/api/users"])
        body = {name: value for name, value in SENT["/api/users"]["json"].items() if name != "name"}
        key = caller.post("/api/keys", json=body).json()["key"]
        assert caller.get("/api/users/me", headers={"X-API-Key": key}).json()["email"] == EMAIL
    assert document["paths"]["/api/keys"]["post"]["summary"].startswith("Sign in")
    for said in (document["info"], document["paths"]["/api/users"]["post"]):
        assert re.search(r"sign in[:\w ]* `POST /api/keys`", said["description"])
