"""Bad input over HTTP, on both databases: a problem each time, no 5xx, no word of the server's own."""

import json
import secrets
import socket
from typing import Any
from urllib.parse import urlsplit

import httpx2
import pytest
from tests.backend import Backend

MEMBERS = {"type", "title", "status", "detail", "instance", "error", "request_id"}
INNER = ("Traceback", "site-packages", ".py", "SELECT ", "INSERT ", "sqlite3", "asyncpg", "sqlalchemy")
JSON = {"Content-Type": "application/json"}


def is_problem(response: httpx2.Response, status: int) -> dict[str, Any]:
    assert response.status_code == status, response.text
    assert response.headers["Content-Type"] == "application/problem+json"
    problem: dict[str, Any] = response.json()
    assert set(problem) >= MEMBERS
    assert problem["status"] == status
    assert not [word for word in INNER if word in response.text]
    return problem


def send(backend: Backend, method: str, path: str, **options: Any) -> httpx2.Response:
    headers = [*backend.headers.items(), *list(options.pop("headers", {}).items())]
    with backend.client() as caller:
        return caller.request(method, path, headers=headers, **options)


def raw(backend: Backend, request: bytes) -> bytes:
    """Send bytes that no client library would, and return all that comes back."""
    address = urlsplit(backend.url)
    with socket.create_connection((str(address.hostname), int(address.port or 0)), timeout=20) as connection:
        connection.sendall(request)
        connection.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: connection.recv(65536), b""))


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b'{"title": "a\\u0000b"}', 422),
        (b'{"title": "\\ud800"}', 422),
        (b'{"title": "milk", "\\ud800": 1}', 422),
        (b'{"title": "milk", "a\\u0000": 1}', 422),
        (b'{"title": "milk", "status": "\\udfff"}', 422),
        (b'{"title": "\xff\xfe"}', 400),
        (b"[" * 200_000, 400),
        (b'{"title":' * 100_000, 400),
        (b'{"title": NaN}', 422),
        (b'{"title": Infinity}', 422),
        (b'{"title": 1' + b"0" * 400 + b"}", 422),
        (b'{"title": 1' + b"0" * 5_000 + b"}", 400),
        (b'{"title": ""}', 422),
        (json.dumps({"title": "x" * 201}).encode(), 422),
        (json.dumps({"title": "\N{PILE OF POO}" * 201}).encode(), 422),
        (b'{"title": "milk"', 422),
        (b"null", 422),
        (b"[]", 422),
        (b"", 422),
        (b'"milk"', 422),
        (b'{"title": {"title": "milk"}}', 422),
    ],
    ids=lambda value: repr(value[:30]) if isinstance(value, bytes) else None,
)
def test_bodies(backend: Backend, body: bytes, status: int) -> None:
    is_problem(send(backend, "POST", "/api/todos", content=body, headers=JSON), status)


def test_a_title_has_200_characters_not_bytes(backend: Backend) -> None:
    title = "\N{PILE OF POO}" * 200
    created = send(backend, "POST", "/api/todos", json={"title": title})
    assert created.status_code == 201
    assert send(backend, "GET", created.headers["Location"]).json()["title"] == title


@pytest.mark.parametrize(
    ("todo_id", "status"),
    [
        (2**31, 404),
        (2**31 - 1, 404),
        (2**63 - 1, 404),
        (2**63, 422),
        ("1" + "0" * 400, 422),
        ("1" + "0" * 5000, 422),
        (-1, 422),
        (-(2**63) - 1, 422),
        (0, 422),
        ("1.5", 422),
        ("%00", 422),
        ("%ff", 422),
        ("%ED%A0%80", 422),
        ("NaN", 422),
        ("1%20OR%201=1", 422),
        ("..%2f..%2fetc", 404),
    ],
    ids=lambda value: str(value)[:20],
)
@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_ids(backend: Backend, method: str, todo_id: object, status: int) -> None:
    options = {"json": {"title": "milk"}} if method == "PUT" else {}
    is_problem(send(backend, method, f"/api/todos/{todo_id}", **options), status)


@pytest.mark.parametrize(
    "query",
    [
        "limit=9999999999999999999999",
        f"offset={2**63}",
        "status=%00",
        "status=%ff",
        "%00=1",
        "%ff%fe=1",
        "limit=1&limit=x",
        "colour=red",
        "title__like=milk",
        "title__contains=%00",
        "created_at__gte=yesterday",
        "created_at__lt=0001-01-01T00:00:00%2B23:59",
        "status__in=active,lost",
        "sort=owner_id",
        "sort=title,,",
        "cursor=AAAA",
        "cursor=%00",
        "cursor=" + "A" * 3000,
        "limit=",
        "status=active&status=lost",
    ],
)
def test_queries(backend: Backend, query: str) -> None:
    assert is_problem(send(backend, "GET", f"/api/todos?{query}"), 422)["errors"]


def test_the_largest_offset_is_an_empty_page(backend: Backend) -> None:
    response = send(backend, "GET", f"/api/todos?offset={2**63 - 1}&limit=200")
    assert (response.status_code, response.json()) == (200, [])


@pytest.mark.parametrize("chunked", [False, True], ids=["Content-Length", "chunked"])
@pytest.mark.parametrize("path", ["/api/todos", "/api/users"])
def test_ten_megabytes(backend: Backend, path: str, chunked: bool) -> None:
    size, piece = 10_000_000, b"x" * 100_000
    content: Any = (piece for _ in range(size // len(piece))) if chunked else b"x" * size
    is_problem(send(backend, "POST", path, content=content, headers=JSON), 413)


@pytest.mark.parametrize("length", ["99999999999999999999999999", "9" * 5000])
def test_a_length_that_no_number_holds(backend: Backend, length: str) -> None:
    request = f"POST /api/users HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n"
    answer = raw(backend, request.encode())
    # The HTTP parser itself refuses some of these, before the app is asked.
    assert answer.split(b" ", 2)[1:2] in ([b"413"], [b"400"])


@pytest.mark.parametrize(
    "head",
    [
        b"Content-Length: 5\r\nContent-Length: 6\r\n",
        b"Content-Length: -1\r\n",
        b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
    ],
)
def test_lengths_that_contradict(backend: Backend, head: bytes) -> None:
    answer = raw(backend, b"POST /api/users HTTP/1.1\r\nHost: x\r\n" + head + b"\r\nhello")
    assert answer.startswith(b"HTTP/1.1 400")


@pytest.mark.parametrize(
    ("content_type", "status"),
    [
        ("text/plain", 422),
        ("application/xml", 422),
        ("", 422),
        ("a/b/c; =", 422),
        ("application/json; charset=utf-16", 201),
    ],
)
def test_content_types(backend: Backend, content_type: str, status: int) -> None:
    headers = {"Content-Type": content_type} if content_type else {}
    response = send(backend, "POST", "/api/todos", content=b'{"title": "milk"}', headers=headers)
    assert response.status_code == status
    if status != 201:
        (error,) = is_problem(response, status)["errors"]
        assert (error["loc"], error["type"]) == (["body"], "content_type")
        assert "send Content-Type: application/json" in error["msg"]


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ([("X-User-ID", "1"), ("X-User-ID", "1")], 422),
        ([("X-User-ID", "")], 422),
        ([("X-User-ID", "²")], 422),
        ([("X-API-Key", "another")], 401),
        ([("Authorization", "Bearer another")], 401),
        ([("If-None-Match", "nonsense")], 422),
        ([("If-None-Match", '"1'), ("If-None-Match", '2"')], 422),
    ],
)
def test_headers(backend: Backend, headers: list[tuple[str, str]], status: int) -> None:
    path = send(backend, "POST", "/api/todos", json={"title": "milk"}).headers["Location"]
    sent = [(name.encode(), value.encode("latin-1")) for name, value in [*backend.headers.items(), *headers]]
    with backend.client() as caller:
        response = caller.get(path, headers=sent)
    is_problem(response, status)


def test_a_control_character_in_a_header_is_refused_by_the_parser(backend: Backend) -> None:
    answer = raw(backend, b"GET /api/todos HTTP/1.1\r\nHost: x\r\nX-User-ID: 1\x01\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 400")


def test_a_header_of_a_megabyte(backend: Backend) -> None:
    request = b"GET / HTTP/1.1\r\nHost: x\r\nX-Long: " + b"x" * 1_000_000 + b"\r\n\r\n"
    try:
        answer = raw(backend, request)
    except ConnectionError:
        answer = b""  # the server may close before it has read all of it
    assert not answer.startswith(b"HTTP/1.1 5")
    assert send(backend, "GET", "/health").status_code == 200


@pytest.mark.parametrize("method", ["PURGE", "TRACE", "QUERY", "OPTIONS"])
def test_unknown_methods(backend: Backend, method: str) -> None:
    paths = send(backend, "GET", "/openapi.json").json()["paths"]
    assert len(paths) > 10
    for path, item in paths.items():
        response = send(backend, method, path.replace("{", "").replace("}", ""))
        assert response.status_code == 405, (method, path)
        answered = {name.upper() for name in item} | ({"HEAD"} if "get" in item else set())
        assert sorted(response.headers["Allow"].split(", ")) == sorted(answered)


def test_head_is_answered_like_get(backend: Backend) -> None:
    for path in ("/", "/health", "/health/ready", "/api/todos", "/openapi.json", "/docs"):
        full, head = send(backend, "GET", path), send(backend, "HEAD", path)
        assert (head.status_code, head.content) == (200, b"")
        assert head.headers["Content-Type"] == full.headers["Content-Type"]
        assert head.headers["Content-Length"] == full.headers["Content-Length"]
    assert send(backend, "HEAD", "/api/actions").status_code == 405


def sign_up(backend: Backend, **changes: str) -> httpx2.Response:
    account = {"email": f"{secrets.token_hex(6)}@example.com", "name": "Ada", "password": "correct horse"}
    with backend.client() as caller:
        return caller.post("/api/users", json={**account, **changes})


@pytest.mark.parametrize(
    "changes",
    [
        {"password": "7777777"},
        {"password": "x" * 10_000},
        {"email": "\ud800@example.com"},
        {"email": "a\x00@example.com"},
        {"email": "a" * 300 + "@example.com"},
        {"email": "nobody"},
        {"email": "\ufdfa" * 20 + "@example.com"},
        {"name": "\x00"},
        {"name": "x" * 101},
    ],
    ids=lambda value: str(value)[:30].encode("ascii", "replace").decode(),
)
def test_accounts(backend: Backend, changes: dict[str, str]) -> None:
    account = {"email": f"{secrets.token_hex(6)}@example.com", "name": "Ada", "password": "correct horse"}
    content = json.dumps({**account, **changes}).encode()
    response = send(backend, "POST", "/api/users", content=content, headers=JSON)
    problem = is_problem(response, 422)
    assert [error["loc"] for error in problem["errors"]] == [["body", *changes]]
    assert " items" not in response.text  # a password has characters
    assert not [value for value in changes.values() if len(value) > 6 and value in response.text]


def test_an_email_is_one_however_it_is_written(backend: Backend) -> None:
    name = secrets.token_hex(6)
    assert sign_up(backend, email=f"straße.{name}@example.com").status_code == 201
    for other in (f"STRASSE.{name}@example.com", f"Straße.{name.upper()}@EXAMPLE.com"):
        assert is_problem(sign_up(backend, email=other), 409)["error"] == "email_taken"
    long = sign_up(backend, email="ﷺ" * 20 + f"{name}@example.com")  # folds to eighteen times its length
    assert long.status_code in (201, 422)
