"""The running app: exchanges that can be pasted and show no secret, ways in, and the journey."""

import http.server
import itertools
import json
import shlex
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any, Literal
from urllib.parse import parse_qsl

import pytest
import uvicorn
from fastapi import Depends, FastAPI, HTTPException, Request, Response, Security
from fastapi.security import APIKeyCookie, APIKeyHeader, HTTPBearer, OAuth2PasswordBearer
from pydantic import BaseModel, Field

from stanchion.gate.journey import id_of
from stanchion.gate.live import Exchange, Live
from stanchion.gate.model import NotChecked
from stanchion.gate.running import Running
from stanchion.gate.sign_in import schemes
from stanchion.gate.subject import Document

pytestmark = pytest.mark.slow

KEY = "st_4f1c'9a b"
FORM = {"application/x-www-form-urlencoded": {"schema": {"type": "object"}}}
FILE = {"text/csv": {"schema": {"type": "string"}, "example": "a,b"}}


def exchange(method: str = "GET", path: str = "/", **fields: Any) -> Exchange:
    headers = fields.pop("headers", {})
    return Exchange(1, method, path, headers, fields.pop("body", b""), **fields)


def test_curl_of_a_get() -> None:
    assert exchange().curl == "curl -i http://127.0.0.1:8000/"
    assert exchange(path="/a?b=1&c=2").curl == "curl -i 'http://127.0.0.1:8000/a?b=1&c=2'"


def test_curl_quotes() -> None:
    body = json.dumps({"name": "it's $HOME `id`"}).encode()
    line = exchange("POST", "/a'b", headers={"Content-Type": "application/json"}, body=body).curl
    assert shlex.split(line) == [
        *("curl", "-i", "-X", "POST", "http://127.0.0.1:8000/a'b"),
        *("-H", "Content-Type: application/json", "-d", body.decode()),
    ]


@pytest.mark.parametrize(
    ("secrets", "text", "expected"),
    [
        ({KEY: "$API_KEY"}, f"Bearer {KEY}", "Bearer key"),
        ({KEY: "$API_KEY"}, f"{KEY} and {KEY}!", "key and key!"),
        ({KEY: "$API_KEY"}, KEY, "key"),
        ({"abc": "$OTHER", "abcdef": "$API_KEY"}, "abcdef abc", "key other"),
        ({"": "$API_KEY"}, "$HOME", "$HOME"),
        ({}, "", ""),
    ],
)
def test_curl_has_secrets_as_variables(secrets: dict[str, str], text: str, expected: str) -> None:
    made = exchange("POST", f"/{text}", headers={"X": text}, body=text.encode(), secrets=secrets)
    if secrets:
        assert KEY not in made.curl
        assert "abcdef" not in made.curl
    # A shell is who must understand it.
    script = f"curl() {{ printf '%s\\n' \"$@\"; }}; API_KEY=key; OTHER=other; {made.curl}"
    done = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True)
    body = ["-d", expected] if text else []
    assert done.stdout.splitlines() == [
        *("-i", "-X", "POST", f"http://127.0.0.1:8000/{expected}", "-H", f"X: {expected}"),
        *body,
    ]


def test_the_variable_is_between_quotes_of_its_own() -> None:
    line = exchange(headers={"X-API-Key": "st_1"}, secrets={"st_1": "$API_KEY"}).curl
    assert line == """curl -i http://127.0.0.1:8000/ -H 'X-API-Key: '"$API_KEY\""""


def test_the_summary_hides_secrets() -> None:
    secrets = {"st_1": "$API_KEY"}
    made = exchange(
        "POST", "/a?k=st_1", body=b"x st_1 y", status=201, content=b'{"key": "st_1"}', secrets=secrets
    )
    assert made.summary == 'POST /a?k=$API_KEY x $API_KEY y\n201 {"key": "$API_KEY"}'


def test_the_summary_is_short_and_cuts_no_secret_in_two() -> None:
    secrets = {"st_12345": "$API_KEY"}
    made = exchange(
        "POST",
        body=b"b" * 196 + b"st_12345",
        status=200,
        content=b"c" * 396 + b"st_12345" * 9,
        secrets=secrets,
    )
    assert made.summary == f"POST / {'b' * 196}$API\n200 {'c' * 396}$API ..."


def test_the_summary_says_why_there_is_no_answer() -> None:
    assert exchange(failure="ReadTimeout: 15 s").summary == "GET /\nno answer: ReadTimeout: 15 s"
    assert exchange(status=204).summary == "GET /\n204"


@pytest.mark.parametrize(
    ("content", "expected"), [(b'{"a": [1]}', {"a": [1]}), (b"null", None), (b"<p>", None), (b"\xff", None)]
)
def test_json(content: bytes, expected: Any) -> None:
    assert exchange(content=content).json == expected


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"content-type": "application/JSON; charset=utf-8"}, "application/json"),
        ({"content-type": "text/html"}, "text/html"),
        ({}, ""),
    ],
)
def test_media_type(headers: dict[str, str], expected: str) -> None:
    assert exchange(response_headers=headers).media_type == expected


class Echo(http.server.BaseHTTPRequestHandler):
    """Answers with what it was sent, or with a stream that does not end."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        content = json.dumps({"headers": dict(self.headers), "body": body.decode()}).encode()
        self.send_response(201)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def do_GET(self) -> None:
        self.close_connection = True
        if self.path == "/nothing":
            return
        self.send_response(200)
        self.end_headers()
        stop = threading.Event()
        if self.path == "/silent":
            self.connection.recv(1)  # until the client has gone
            return
        try:
            while not stop.wait(0.01):
                self.wfile.write(b"tick ")
        except OSError:
            stop.set()

    def log_message(self, format: str, *arguments: Any) -> None:
        pass


@pytest.fixture
def live() -> Iterator[Live]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Echo) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        made = Live(f"http://127.0.0.1:{server.server_port}", _agent)
        yield made
        made.close()
        server.shutdown()
        thread.join()


def _agent(command: str, **arguments: Any) -> Any:
    if command == "pool":
        return {"connects": 1, "out": 0}
    return [{"number": number} if number == 1 else None for number in arguments["numbers"]]


def test_a_request_is_sent_and_kept(live: Live) -> None:
    made = live.send("POST", "/things", json_body={"a": 1}, headers={"X-Own": "1"})
    assert (made.status, made.media_type, made.failure) == (201, "application/json", "")
    assert made.json["body"] == '{"a": 1}'
    assert made.json["headers"]["X-Own"] == "1"
    assert made.json["headers"]["X-Stanchion-Check"] == "1"
    assert made.headers == {"X-Own": "1", "Content-Type": "application/json"}
    assert sum(size for _, size in made.chunks) == len(made.content)
    assert 0 <= made.chunks[0][0] <= made.seconds

    plain = live.send("POST", "/things", content=b"a=1", headers={"Content-Type": "text/plain"})
    assert (plain.number, plain.json["body"]) == (2, "a=1")
    assert live.inside(made, plain) == [{"number": 1}, {}]
    assert live.pool() == {"connects": 1, "out": 0}


def test_a_stream_without_an_end_is_read_for_a_while(live: Live) -> None:
    made = live.send("GET", "/stream", read_for=0.1)
    assert made.status == 200
    assert made.content.startswith(b"tick ")
    assert 0.1 <= made.seconds < 5


def test_a_stream_that_says_nothing_is_read_for_no_longer_than_asked(live: Live) -> None:
    made = live.send("GET", "/silent", read_for=0.2)
    assert (made.status, made.failure, made.content) == (200, "", b"")
    assert live.send("GET", "/silent").status == 200  # and briefly, from then on


def test_no_answer_is_kept_too(live: Live) -> None:
    made = live.send("GET", "/nothing")
    assert (made.status, made.content, made.json) == (0, b"", None)
    assert made.failure.startswith("RemoteProtocolError: ")


def test_secrets_found_later_hide_in_what_was_sent_before(live: Live) -> None:
    made = live.send("POST", "/things", json_body={"key": "st_99"})
    live.secrets["st_99"] = "$API_KEY"
    assert "st_99" not in made.summary
    assert '"$API_KEY"' in made.curl


@contextmanager
def served(app: FastAPI, *, key: str = "", **environment: str) -> Iterator[Running]:
    """Serve an app in a thread, and give it as it runs."""
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, access_log=False, lifespan="off"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    live = Live(f"http://127.0.0.1:{listener.getsockname()[1]}", _agent)
    try:
        yield Running(Document(app.openapi()), live, environment=environment, key=key)
    finally:
        live.close()
        server.should_exit = True
        thread.join()
        listener.close()


def keyed(scheme: Any, wanted: str) -> FastAPI:
    """Return an app with one operation that wants this key by this scheme."""
    app = FastAPI()

    @app.get("/mine")
    def mine(given: Any = Security(scheme)) -> str:
        if getattr(given, "credentials", given) != wanted:
            raise HTTPException(401)
        return "mine"

    return app


@pytest.mark.parametrize(
    ("scheme", "headers"),
    [
        (APIKeyHeader(name="X-API-Key", auto_error=False), {"X-API-Key": "st_12345678"}),
        (APIKeyCookie(name="session", auto_error=False), {"Cookie": "session=st_12345678"}),
        (HTTPBearer(auto_error=False), {"Authorization": "Bearer st_12345678"}),
    ],
)
def test_a_key_is_sent_as_the_document_says(scheme: Any, headers: dict[str, str]) -> None:
    app = keyed(scheme, "st_12345678")
    with served(app, key="st_12345678") as running:
        who = running.who
        assert who is not None
        assert (who.headers, who.origin) == (headers, "the key that was given")
        assert running.ask(running.document.operations[0]).json == "mine"
        assert running.live.secrets == {"st_12345678": "$API_KEY"}
    with served(app, key="wrong") as running, pytest.raises(NotChecked, match="is not taken by any"):
        assert running.who


def test_a_key_is_found_in_the_environment() -> None:
    app = keyed(APIKeyHeader(name="X-API-Key", auto_error=False), "st_12345678")
    with served(
        app, KEY_FILE="st_12345678", API_KEY="short", ADMIN_KEY="wrong-key", SERVICE_TOKEN="st_12345678"
    ) as one:
        who = one.who
        assert who is not None
        assert who.origin == "SERVICE_TOKEN of the environment"
    with served(app, KEY_FILE="st_12345678") as one, pytest.raises(NotChecked, match="give one with --key"):
        assert one.who


def test_schemes_that_no_header_carries() -> None:
    given = {
        "digest": {"type": "http", "scheme": "digest"},
        "query": {"type": "apiKey", "in": "query", "name": "key"},
        "open": {"type": "openIdConnect"},
    }
    assert list(schemes(Document({"components": {"securitySchemes": given}}))) == ["open"]
    assert schemes(Document({})) == {}


class Account(BaseModel):
    email: str
    password: str = Field(min_length=8)


class Credentials(BaseModel):
    email: str
    password: str
    device: str


def with_accounts(*, form: bool) -> FastAPI:
    """Return an app where one signs up and in, beside operations that are named alike and are not it."""
    app = FastAPI()
    accounts: dict[str, str] = {}

    def user(token: str | None = Security(OAuth2PasswordBearer("token", auto_error=False))) -> str:
        if token not in accounts:
            raise HTTPException(401)
        return token

    def token_of(email: str, password: str) -> dict[str, str]:
        if accounts.get(email) != password:
            raise HTTPException(401)
        return {"access_token": email}

    @app.post("/old/users")
    def closed(body: Account) -> None:
        raise HTTPException(403)

    @app.post("/newsletter/accounts")
    def no_password(body: dict[str, str]) -> None: ...

    @app.post("/users", status_code=201)
    def sign_up(body: Account) -> None:
        if body.email in accounts:
            raise HTTPException(409)
        accounts[body.email] = body.password

    @app.post("/public/keys")
    def no_body() -> None: ...

    @app.post("/other/tokens")
    def no_known_field(body: dict[str, str]) -> None: ...

    @app.post("/old/login")
    def no_token(body: Account) -> dict[str, int]:
        return {"access_token": 5}

    @app.post("/strange/login")
    def strange(body: Account) -> dict[str, str]:
        return {"token": "opens nothing"}

    if form:

        @app.post("/token", openapi_extra={"requestBody": {"content": FORM}})
        async def with_form(request: Request) -> dict[str, str]:
            sent = dict(parse_qsl((await request.body()).decode()))
            return token_of(sent["username"], sent["password"])
    else:

        @app.post("/sessions")
        def with_json(body: Credentials) -> dict[str, str]:
            return token_of(body.email, body.password)

    @app.get("/me")
    def me(name: Annotated[str, Depends(user)]) -> str:
        return name

    return app


@pytest.mark.parametrize("form", [True, False])
def test_it_signs_up_and_in(form: bool) -> None:
    with served(with_accounts(form=form)) as running:
        first, second = running.users
        assert first.headers != second.headers
        assert first.credentials["email"].startswith("probe")
        assert first.origin == f"POST /users, then POST {'/token' if form else '/sessions'}"
        assert running.who == first
        operation = next(one for one in running.document.operations if one.path == "/me")
        assert running.ask(operation).json == first.credentials["email"]
        assert first.credentials["email"] not in running.ask(operation).summary


def test_an_app_that_was_asked_before_has_other_accounts() -> None:
    """A check by URL leaves its accounts in the database, which a check of the project copies."""
    app = with_accounts(form=False)
    for _ in range(3):
        with served(app) as running:
            first, second = running.users
            assert first.credentials["email"] != second.credentials["email"]


def test_each_users_key_has_a_name_of_its_own() -> None:
    with served(with_accounts(form=False)) as running:
        operation = next(one for one in running.document.operations if one.path == "/me")
        lines = [running.live.send("GET", operation.path, headers=one.headers).curl for one in running.users]
    assert [line.partition("Bearer ")[2] for line in lines] == ['\'"$API_KEY"', '\'"$OTHER_API_KEY"']


def test_without_accounts_there_are_no_users() -> None:
    with served(FastAPI()) as running:
        assert running.who is None
        with pytest.raises(NotChecked, match="two users could not be made"):
            assert running.users
        with pytest.raises(NotChecked, match="no resource was found") as caught:
            running.made()
        assert not caught.value.applies


class Shelf(BaseModel):
    name: str


class Book(BaseModel):
    shelf_id: int
    title: str


class Colour(BaseModel):
    shade: Literal["red", "blue"]


def with_resources() -> FastAPI:
    """Return an app in which a book needs a shelf, and other things cannot be made."""
    app = FastAPI()
    shelves: dict[int, str] = {}
    numbers = itertools.count(5)
    books: dict[str, Book] = {}

    @app.post("/books", status_code=201)
    def create_book(body: Book, response: Response) -> None:
        if body.shelf_id not in shelves:
            raise HTTPException(409)
        number = f"book-{len(books)}"
        books[number] = body
        response.headers["Location"] = f"/books/{number}/"

    @app.get("/books/{number}")
    def read_book(number: str) -> Book:
        if number not in books:
            raise HTTPException(404)
        return books[number]

    @app.put("/books/{number}")
    def replace_book(number: str, body: Book) -> Book:
        read_book(number)
        books[number] = body
        return body

    @app.post("/shelves/")
    def create_shelf(body: Shelf) -> dict[str, dict[str, int]]:
        number = next(numbers)
        shelves[number] = body.name
        return {"data": {"id": number}}

    @app.get("/shelves/")
    def list_shelves() -> list[str]:
        return list(shelves.values())

    @app.delete("/shelves/{shelf_id}", status_code=204)
    def delete_shelf(shelf_id: int) -> None:
        if shelves.pop(shelf_id, None) is None:
            raise HTTPException(404)

    @app.post("/colours")
    def create_colour(body: Colour) -> dict[str, Any]:
        return {"colour_id": 7, **body.model_dump()}

    @app.patch("/colours/{colour_id}")
    def change_colour(colour_id: int, body: Colour) -> Colour:
        return body

    @app.post("/uploads", openapi_extra={"requestBody": {"content": FORM}})
    def upload() -> None: ...

    @app.get("/uploads/{name}")
    def read_upload(name: str) -> None: ...

    @app.post("/files", status_code=201, openapi_extra={"requestBody": {"content": FILE}})
    async def send_file(request: Request) -> dict[str, int]:
        if await request.body() != b"a,b" or request.headers["Content-Type"] != "text/csv":
            raise HTTPException(422)
        return {"id": 9}

    @app.get("/files/{file_id}")
    def read_file(file_id: int) -> None: ...

    @app.post("/events")
    def record(body: Shelf) -> None: ...

    @app.get("/events/{name}")
    def read_event(name: str) -> None: ...

    @app.post("/closed")
    def refuse(body: Shelf) -> None:
        raise HTTPException(403)

    @app.get("/closed/{name}")
    def read_closed(name: str) -> None: ...

    @app.get("/reports/{name}")
    def no_collection(name: str) -> None: ...

    @app.get("/shelves/{shelf_id}/books/{number}")
    def nested(shelf_id: int, number: str) -> None: ...

    return app


def test_the_journey() -> None:
    with served(with_resources()) as running:
        journey = running.journey
        found = {one.name: one for one in journey.resources}
        assert list(found) == ["books", "shelves", "colours", "uploads", "files", "events", "closed"]
        assert {name: one.why for name, one in found.items() if one.why} == {
            "uploads": "its body is no JSON, and has no example",
            "events": "the answer to POST does not tell the id",
            "closed": 'a body made of its schema was answered 403 {"detail":"Forbidden"}',
        }
        assert [one.name for one in running.made()] == ["books", "shelves", "colours", "files"]
        books, shelves, colours, files = running.made()
        assert [step.path for step in files.steps.values()] == ["/files", "/files/9", "/files/4294967000"]
        assert {name: (step.path, step.status) for name, step in books.steps.items()} == {
            "create": ("/books", 201),
            "read": ("/books/book-0", 200),
            "read missing": ("/books/no-such-thing", 404),
            "PUT": ("/books/book-0", 200),
            "read after PUT": ("/books/book-0", 200),
            "PUT missing": ("/books/no-such-thing", 404),
        }
        assert json.loads(books.steps["PUT"].body)["shelf_id"] == 5
        assert {name: (step.path, step.status) for name, step in shelves.steps.items()} == {
            "create": ("/shelves/", 200),
            "list": ("/shelves/", 200),
            "delete missing": ("/shelves/4294967000", 404),
            "delete": ("/shelves/5", 204),
        }
        assert json.loads(colours.steps["PATCH"].body) == {"shade": "red"}
        assert journey.last(shelves) == "/shelves/6"
        assert journey.last(found["events"]) == ""
        assert journey.make(found["uploads"]) is None


@pytest.mark.parametrize(
    ("content", "location", "expected"),
    [
        (b'{"id": 0}', "", 0),
        (b'{"uuid": "a", "other": 1}', "", "a"),
        (b'{"thing": {"_id": "b"}}', "", "b"),
        (b'{"slug": "c"}', "", "c"),
        (b'{"id": null}', "/api/things/9", "9"),
        (b"[1]", "http://127.0.0.1/things/9/", "9"),
        (b"{}", "", None),
    ],
)
def test_the_id_of_what_was_made(content: bytes, location: str, expected: Any) -> None:
    headers = {"location": location} if location else {}
    assert id_of(exchange("POST", content=content, response_headers=headers), "slug") == expected
