"""A body as FastAPI reads it: in however many messages it comes, and whatever JSON it is."""

import json
from collections.abc import Sequence
from typing import Any

import pytest
from pydantic_core import PydanticUndefined
from starlette.requests import ClientDisconnect, Request
from starlette.types import Message

from stanchion.routing import body

pytestmark = pytest.mark.anyio

JSON = [(b"content-type", b"application/json")]


def request_of(*messages: Message, headers: Sequence[tuple[bytes, bytes]] = JSON) -> Request:
    left = list(messages)

    async def receive() -> Message:
        return left.pop(0)

    return Request({"type": "http", "method": "POST", "headers": list(headers)}, receive)


def part(text: bytes, *, more: bool = False) -> Message:
    return {"type": "http.request", "body": text, "more_body": more}


read = body.body_reader(strict=True, context=lambda _: {})


async def test_in_one_message_in_several_and_in_none() -> None:
    for messages, expected in (
        ([part(b'{"a": 1}')], {"a": 1}),
        ([part(b'{"a"', more=True), part(b"", more=True), part(b": 1}")], {"a": 1}),
        ([{"type": "http.request"}], PydanticUndefined),
    ):
        request = request_of(*messages)
        assert await read(request) == expected
        again = await request.body()
        assert again == (b"" if expected is PydanticUndefined else b'{"a": 1}')
        assert [chunk async for chunk in request.stream() if chunk] == ([again] if again else [])
        if again:
            assert await request.json() is await request.json()


async def test_a_client_that_leaves_and_one_whose_body_was_taken() -> None:
    leaves = request_of(part(b"{", more=True), {"type": "http.disconnect"})
    with pytest.raises(Exception, match="error parsing") as error:
        await read(leaves)
    assert isinstance(error.value.__cause__, ClientDisconnect)
    taken = request_of(part(b"{}"))
    assert [chunk async for chunk in taken.stream()] == [b"{}", b""]
    with pytest.raises(Exception, match="error parsing"):
        await read(taken)


TEXTS = [
    b"{}",
    b'{"a": [1, 2.50, -0, 1e3, true, null, "\\u00e4\\ud83d\\ude00", {"b": {}}]}',
    b'{"a": "\xc3\xa4"}',
    b'{"a": 1} \r\n\t',
    b' {"a": 1}',
    b'{"a": 1, "a": 2}',
    b'{"a": NaN}',
    b'{"a": "\\ud800"}',
    b'{"a": "\xed\xa0\x80"}',
    b'{"a": "\xff"}',
    b'{"a": 1} {',
    b'{"a": 1}]',
    b"{",
    b"{'a': 1}",
    b'{"a": 1',
    b'{"a":',
    b'{"a": "\n"}',
    b"[1]",
    b"1",
    b'"a"',
    b"nothing",
    b'\xef\xbb\xbf{"a": 1}',
    '{"a": 1}'.encode("utf-16"),
    '{"a": 1}'.encode("utf-16-le"),
    '{"a": 1}'.encode("utf-16-be"),
    '{"a": 1}'.encode("utf-32-le"),
    b"{" * 100_000,
    b'{"a": ' + b"9" * 5_000 + b"}",
]


@pytest.mark.parametrize("text", TEXTS, ids=lambda text: repr(text[:30]))
def test_json_is_decoded_as_the_standard_library_does(text: bytes) -> None:
    def tried(decode: Any) -> tuple[Any, ...]:
        try:
            return (repr(decode(text)),)
        except json.JSONDecodeError as error:
            return type(error), error.msg, error.doc, error.pos
        except Exception as error:
            return type(error), str(error)

    assert tried(body._decoded) == tried(json.loads)


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
async def test_a_body_is_bytes_whatever_a_server_gives(kind: Any) -> None:
    request = request_of({"type": "http.request", "body": kind(b'{"a": 1}')})
    assert await read(request) == {"a": 1}
    assert type(await request.body()) is bytes


async def test_what_stands_in_the_place_of_json_loads_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json, "loads", lambda text: ["another", text])
    assert await read(request_of(part(b"{}"))) == ["another", b"{}"]
