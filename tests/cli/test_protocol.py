"""The head of an answer leaves together with its body, and alone where the body takes its time."""

import asyncio
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from starlette.types import ASGIApp, Receive, Scope, Send
from tests.serving import PATIENCE, served
from uvicorn.importer import import_from_string
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from stanchion.cli import server
from stanchion.cli.protocol import Joined, Joining, Protocol

pytestmark = pytest.mark.anyio

Written = list[bytes]


class Recorded:
    """A transport that keeps what each call would have handed to the system."""

    def __init__(self, transport: asyncio.Transport, written: Written) -> None:
        self._transport, self._written = transport, written

    def write(self, data: bytes) -> None:
        if data:
            self._written.append(data)
        self._transport.write(data)

    def writelines(self, list_of_data: Sequence[bytes]) -> None:
        self._written.append(b"".join(list_of_data))
        self._transport.writelines(list_of_data)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)


@pytest.fixture(params=["uvloop", "asyncio"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, bool]]:
    return "asyncio", {"use_uvloop": request.param == "uvloop"}


@pytest.fixture(params=["httptools", "h11"])
def protocol(request: pytest.FixtureRequest, written: Written) -> type[Any]:
    """Uvicorn's protocol, as the command has it, over a transport that records."""

    class Recording:
        def connection_made(self, transport: Any) -> None:
            super().connection_made(Recorded(transport, written))  # type: ignore[misc]  # what it stands before

    if request.param == "httptools":
        assert issubclass(Protocol, HttpToolsProtocol)
        return type("Httptools", (Recording, Protocol), {})
    return type("H11", (Recording, Joined, H11Protocol), {})


@pytest.fixture
def written() -> Written:
    return []


@asynccontextmanager
async def connected(
    app: ASGIApp, protocol: type[Any]
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    async with served(app, http=protocol) as caller:
        reader, writer = await asyncio.open_connection("127.0.0.1", caller.base_url.port)
        try:
            async with asyncio.timeout(PATIENCE):
                yield reader, writer
        finally:
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()


def asked(*lines: str, method: str = "GET") -> bytes:
    return "\r\n".join([f"{method} / HTTP/1.1", "Host: here", *lines, "", ""]).encode()


def answering(body: bytes, status: int = 200) -> ASGIApp:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        length = [] if status == 204 else [(b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": status, "headers": length})
        await send({"type": "http.response.body", "body": body})

    return app


@pytest.mark.parametrize("status", [200, 404])
async def test_head_and_body_are_one_write(protocol: type[Any], written: Written, status: int) -> None:
    async with connected(answering(b"hello", status), protocol) as (reader, writer):
        for _ in range(2):  # a connection is kept
            writer.write(asked())
            await reader.readuntil(b"hello")
    assert len(written) == 2
    for one in written:
        assert one.startswith(b"HTTP/1.1 %d " % status)
        assert one.endswith(b"\r\n\r\nhello")


async def test_answers_to_pipelined_requests_are_in_their_order(protocol: type[Any]) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await answering(scope["path"].encode())(scope, receive, send)

    async with connected(app, protocol) as (reader, writer):
        writer.write(b"".join(f"GET /{n} HTTP/1.1\r\nHost: here\r\n\r\n".encode() for n in range(5)))
        for number in range(5):
            head = await reader.readuntil(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 200 OK")
            assert await reader.readexactly(2) == b"/%d" % number


async def test_a_head_whose_body_takes_its_time_leaves_before_it(
    protocol: type[Any], written: Written
) -> None:
    seen = asyncio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await seen.wait()
        for part in (b"one", b"two"):
            await send({"type": "http.response.body", "body": part, "more_body": True})
        await send({"type": "http.response.body", "body": b""})

    async with connected(app, protocol) as (reader, writer):
        writer.write(asked())
        head = await reader.readuntil(b"\r\n\r\n")
        assert written == [head]
        seen.set()
        rest = await reader.readuntil(b"0\r\n\r\n")
    assert rest == b"3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n"


@pytest.mark.parametrize(
    ("app", "method"), [(answering(b"", 204), "GET"), (answering(b"unsent"), "HEAD")], ids=["204", "HEAD"]
)
async def test_a_head_without_a_body_arrives(protocol: type[Any], app: ASGIApp, method: str) -> None:
    async with connected(app, protocol) as (reader, writer):
        for _ in range(2):
            writer.write(asked(method=method))
            head = await reader.readuntil(b"\r\n\r\n")
            assert head.startswith((b"HTTP/1.1 204", b"HTTP/1.1 200"))


async def test_what_is_closed_at_once_has_arrived(protocol: type[Any]) -> None:
    async with connected(answering(b"", 204), protocol) as (reader, writer):
        writer.write(asked("Connection: close"))
        everything = await reader.read()
    assert everything.startswith(b"HTTP/1.1 204 No Content\r\n")
    assert everything.lower().endswith(b"connection: close\r\n\r\n")


async def test_who_waits_to_be_asked_for_the_body_is_asked(protocol: type[Any]) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        message = await receive()
        await answering(message["body"])(scope, receive, send)

    async with connected(app, protocol) as (reader, writer):
        writer.write(asked("Expect: 100-continue", "Content-Length: 3", method="POST"))
        told = await reader.readuntil(b"\r\n\r\n")
        assert told.startswith(b"HTTP/1.1 100")
        writer.write(b"abc")
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200")
        assert await reader.readexactly(3) == b"abc"


async def test_parts_of_any_type_arrive_whatever_they_begin_with(protocol: type[Any]) -> None:
    parts: list[Any] = [
        memoryview(b"HTTP/1"),
        bytearray(b"HTTP/2"),
        b"HTTP/3",
        memoryview(b"4"),
        b"5" * 100_000,
    ]
    whole = b"".join(parts)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        length = [(b"content-length", str(len(whole)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": length})
        for number, part in enumerate(parts):
            if number in (1, 3):  # another turn of the loop
                await asyncio.sleep(0)
            await send({"type": "http.response.body", "body": part, "more_body": number + 1 < len(parts)})

    async with connected(app, protocol) as (reader, writer):
        writer.write(asked())
        await reader.readuntil(b"\r\n\r\n")
        assert await reader.readexactly(len(whole)) == whole


async def test_a_large_body_is_not_copied_behind_its_head(protocol: type[Any], written: Written) -> None:
    body = b"a" * 1_000_000
    async with connected(answering(body), protocol) as (reader, writer):
        writer.write(asked())
        await reader.readuntil(b"\r\n\r\n")
        assert await reader.readexactly(len(body)) == body
    assert written[1] is body


async def test_who_has_no_more_to_ask_is_answered(protocol: type[Any]) -> None:
    async with connected(answering(b"unsent"), protocol) as (reader, writer):
        writer.write(asked(method="HEAD"))
        writer.write_eof()
        assert (await reader.read()).startswith(b"HTTP/1.1 200 OK\r\n")


def of(written: Written, *, is_closing: bool = False) -> Joining:
    """Return one over a transport that keeps what it was told, in its order."""
    transport: Any = SimpleNamespace(
        write=written.append,
        writelines=lambda data: written.append(b"".join(data)),
        write_eof=lambda: written.append(b"(end)"),
        close=lambda: written.append(b"(closed)"),
        is_closing=lambda: is_closing,
    )
    return Joining(transport, asyncio.get_running_loop())


@pytest.mark.parametrize(
    ("end", "expected"),
    [
        (lambda joining: joining.writelines([b"a", b"b"]), b"ab"),
        (lambda joining: joining.write_eof(), b"(end)"),
        (lambda joining: joining.close(), b"(closed)"),
    ],
    ids=["writelines", "write_eof", "close"],
)
async def test_what_was_kept_is_before_all_that_comes(
    end: Callable[[Joining], None], expected: bytes, written: Written
) -> None:
    joining = of(written)
    joining.write(b"HTTP/1.1 200 OK")
    assert written == []
    end(joining)
    await asyncio.sleep(0)
    assert written == [b"HTTP/1.1 200 OK", expected]


async def test_a_head_behind_another_leaves_with_it(written: Written) -> None:
    joining = of(written)
    joining.write(b"HTTP/1.1 100 Continue")
    joining.write(b"HTTP/1.1 204 No Content")
    joining.write(b"what is no head is not kept")
    assert written == [b"HTTP/1.1 100 ContinueHTTP/1.1 204 No Content", b"what is no head is not kept"]


async def test_what_was_kept_for_a_connection_that_is_lost_is_dropped(written: Written) -> None:
    of(written, is_closing=True).write(b"HTTP/1.1 200 OK")
    await asyncio.sleep(0)
    assert written == []


def test_the_command_serves_by_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.path", [*sys.path])
    config = server.configured(tmp_path)
    assert isinstance(config.http, str)
    assert import_from_string(config.http) is Protocol
