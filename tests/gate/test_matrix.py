"""The matrix of operations, and whole requests for them: paths of what was made, queries and forms."""

from typing import Any

import pytest

from stanchion.gate.forms import encoded, form_of
from stanchion.gate.journey import Journey
from stanchion.gate.live import Live
from stanchion.gate.matrix import matrix, of_path, takes_something
from stanchion.gate.model import Exercised
from stanchion.gate.subject import Document, Operation
from stanchion.gate.values import Values

ID = {"name": "thing_id", "in": "path", "required": True, "schema": {"type": "integer"}}
BODY = {"requestBody": {"content": {"application/json": {"schema": {"type": "object"}}}}}
DOCUMENT = Document(
    {
        "paths": {
            "/things": {"get": {}, "post": BODY},
            "/things/newest": {"get": {}},
            "/things/{thing_id}": {"get": {"parameters": [ID]}, "delete": {"parameters": [ID]}},
            "/files/{path:path}": {"get": {"parameters": [{"name": "path", "in": "path"}]}},
            "/search": {
                "get": {
                    "parameters": [
                        {"name": "q", "in": "query", "required": True, "schema": {"enum": ["a b"]}},
                        {"name": "limit", "in": "query", "schema": {"type": "integer"}},
                    ]
                }
            },
        }
    }
)


def operation(method: str, path: str) -> Operation:
    (found,) = (one for one in DOCUMENT.operations if (one.method, one.path) == (method, path))
    return found


@pytest.mark.parametrize(
    ("method", "path", "expected"),
    [
        ("GET", "/things/7", "GET /things/{thing_id}"),
        ("GET", "/things/newest", "GET /things/newest"),
        ("GET", "/things?limit=1", "GET /things"),
        ("GET", "/files/a/b.txt", "GET /files/{path:path}"),
        ("GET", "/things/7/parts", None),
        ("PUT", "/things/7", None),
        ("GET", "/thingsX7", None),
    ],
)
def test_which_operation_is_meant(method: str, path: str, expected: str | None) -> None:
    found = of_path(DOCUMENT, method, path)
    assert (found and found.name) == expected


def test_the_matrix() -> None:
    asked = [
        ("GET", "/things", 200),
        ("POST", "/things", 500),
        ("POST", "/things", 422),
        ("GET", "/things/1", 200),
        ("GET", "/things/1", 404),
        ("DELETE", "/things/1", 204),
        ("GET", "/search?q=1", 0),
        ("GET", "/elsewhere", 404),
    ]
    assert matrix(DOCUMENT, asked) == (
        Exercised("GET /things", 200),
        Exercised("POST /things", 0, 422, "it was not seen to succeed: the last answer was 422"),
        Exercised("GET /things/newest", 0, 0, "it was not asked"),
        Exercised("GET /things/{thing_id}", 200, 404),
        Exercised("DELETE /things/{thing_id}", 204, 0, "it was not seen to refuse anything"),
        Exercised("GET /files/{path:path}", 0, 0, "it was not asked"),
        Exercised("GET /search", 0, 0, "it was not seen to succeed: the last answer was none"),
    )


@pytest.mark.parametrize(
    ("spec", "expected"),
    [({}, False), (BODY, True), ({"parameters": [ID]}, True), ({"security": [{}]}, True)],
)
def test_what_can_be_refused(spec: dict[str, Any], expected: bool) -> None:
    assert takes_something(Operation("GET", "/", spec)) is expected


def test_paths() -> None:
    live = Live("http://127.0.0.1:1")
    journey = Journey(DOCUMENT, live, Values(DOCUMENT), None)
    assert journey.path(operation("GET", "/search")) == "/search?q=a+b"
    assert journey.path(operation("GET", "/things")) == "/things"
    one = operation("GET", "/things/{thing_id}")
    assert (journey.path(one), journey.path_of_nothing(one)) == ("/things/1", "/things/4294967000")
    journey._known["things"] = "a/b"
    assert (journey.path(one), journey.path_of_nothing(one)) == ("/things/a%2Fb", "/things/no-such-thing")
    live.close()


FIELDS = {
    "type": "object",
    "properties": {
        "username": {"type": "string"},
        "note": {"type": "string"},
        "upload": {"type": "string", "format": "binary"},
        "more": {
            "type": "array",
            "items": {"type": "string", "contentMediaType": "application/octet-stream"},
        },
    },
    "required": ["username"],
}


def test_a_form() -> None:
    plain = {"type": "object", "properties": {"username": {"type": "string"}}, "required": ["username"]}
    content, kind = encoded("application/x-www-form-urlencoded", plain, Values(DOCUMENT))
    assert kind == "application/x-www-form-urlencoded"
    assert content == b"username=username+1"


def test_a_form_with_files() -> None:
    content, kind = encoded("multipart/form-data", FIELDS, Values(DOCUMENT))
    assert kind.startswith("multipart/form-data; boundary=")
    text = content.decode()
    assert 'name="username"\r\n\r\nusername 1\r\n' in text
    assert 'name="note"' not in text
    for name in ("upload", "more"):
        assert f'name="{name}"; filename="probe.txt"\r\nContent-Type: text/plain' in text


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ({"multipart/form-data": {"schema": FIELDS}}, "multipart/form-data"),
        ({"multipart/form-data": {}, "application/json": {}}, None),
        ({"application/octet-stream": {}}, None),
        ({}, None),
    ],
)
def test_which_bodies_are_forms(content: dict[str, Any], expected: str | None) -> None:
    found = form_of(DOCUMENT, Operation("POST", "/", {"requestBody": {"content": content}}))
    assert (found and found[0]) == expected
