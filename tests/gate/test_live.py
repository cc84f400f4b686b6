"""An exchange is shown so that it can be pasted, and shows no secret."""

import http.server
import json
import shlex
import subprocess
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from stanchion.gate.live import Exchange, Live

KEY = "st_4f1c'9a b"


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


def test_no_answer_is_kept_too(live: Live) -> None:
    made = live.send("GET", "/nothing")
    assert (made.status, made.content, made.json) == (0, b"", None)
    assert made.failure.startswith("RemoteProtocolError: ")


def test_secrets_found_later_hide_in_what_was_sent_before(live: Live) -> None:
    made = live.send("POST", "/things", json_body={"key": "st_99"})
    live.secrets["st_99"] = "$API_KEY"
    assert "st_99" not in made.summary
    assert '"$API_KEY"' in made.curl
