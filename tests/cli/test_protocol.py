"""The head of an answer leaves together with its body, and alone where the body takes its time."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any

import pytest
from starlette.types import ASGIApp, Receive, Scope, Send
from tests.serving import served
from uvicorn.protocols.http.h11_impl import H11Protocol

from stanchion.cli.protocol import Joining, Protocol

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

    class Httptools(Protocol):
        def connection_made(self, transport: Any) -> None:
            super().connection_made(Recorded(transport, written))

    class H11(H11Protocol):
        def connection_made(self, transport: Any) -> None:
            joining: Any = Joining(Recorded(transport, written), self.loop)  # type: ignore[arg-type]  # as above
            super().connection_made(joining)

    return {"httptools": Httptools, "h11": H11}[request.param]


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
            yield reader, writer
        finally:
            writer.close()
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


async def test_head_and_body_are_one_write(protocol: type[Any], written: Written) -> None:
    async with connected(answering(b"hello"), protocol) as (reader, writer):
        for _ in range(2):  # a connection is kept
            writer.write(asked())
            await reader.readuntil(b"hello")
    assert len(written) == 2
    for one in written:
        assert one.startswith(b"HTTP/1.1 200 OK\r\n")
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
        head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 20)
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
            head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 20)
            assert head.startswith((b"HTTP/1.1 204", b"HTTP/1.1 200"))


async def test_what_is_closed_at_once_has_arrived(protocol: type[Any]) -> None:
    async with connected(answering(b"", 204), protocol) as (reader, writer):
        writer.write(asked("Connection: close"))
        everything = await asyncio.wait_for(reader.read(), 20)
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
        told = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 20)
        assert told.startswith(b"HTTP/1.1 100")
        writer.write(b"abc")
        head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 20)
        assert head.startswith(b"HTTP/1.1 200")
        assert await reader.readexactly(3) == b"abc"


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
    transport = SimpleNamespace(
        write=written.append,
        writelines=lambda data: written.append(b"".join(data)),
        write_eof=lambda: written.append(b"(end)"),
        close=lambda: written.append(b"(closed)"),
        is_closing=lambda: False,
        pause_reading=None,
        resume_reading=None,
    )
    joining = Joining(transport, asyncio.get_running_loop())  # type: ignore[arg-type]  # as much of one as is asked
    joining.write(b"HTTP/1.1 200 OK")
    assert written == []
    end(joining)
    await asyncio.sleep(0)
    assert written == [b"HTTP/1.1 200 OK", expected]


async def test_what_was_kept_for_a_connection_that_is_lost_is_dropped(written: Written) -> None:
    transport = SimpleNamespace(
        write=written.append, is_closing=lambda: True, pause_reading=None, resume_reading=None
    )
    joining = Joining(transport, asyncio.get_running_loop())  # type: ignore[arg-type]  # as much of one as is asked
    joining.write(b"HTTP/1.1 200 OK")
    await asyncio.sleep(0)
    assert written == []
