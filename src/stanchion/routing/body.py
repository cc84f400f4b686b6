"""The body of a request, as FastAPI reads it where it is no form."""

import email.message
import json
from collections.abc import Awaitable, Callable
from typing import Any

from fastapi._body_limit import get_body_limit_error
from fastapi._compat import Undefined
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.middleware.body_limit import MAX_BODY_SIZE_SCOPE_KEY
from starlette.requests import Request
from starlette.types import Message, Receive

from stanchion.exchange import values_of

_JSON = ["application/json"]
_DECODER, _LOADS = json.JSONDecoder(), json.loads

Context = Callable[[Request], Any]
"""Tells where an endpoint is, for the errors that name it."""


def body_reader(*, strict: bool, context: Context) -> Callable[[Request], Awaitable[Any]]:
    """Return what reads a body: JSON decoded, other bytes as they are, Undefined where there is none.

    `strict` takes for JSON only what says that it is. What it returns raises RequestValidationError for
    what is no JSON, and HTTPException 400 for what cannot be read at all.
    """

    async def read(request: Request) -> Any:
        try:
            received = await _body(request)
            if not received:
                return Undefined
            if not _is_json(request, strict):
                return received
            if type(request) is not Request:
                return await request.json()
            request._json = _decoded(received)  # as `json` would, which asks for the body again
            return request._json
        except json.JSONDecodeError as error:
            raise RequestValidationError(
                [
                    {
                        "type": "json_invalid",
                        "loc": ("body", error.pos),
                        "msg": "JSON decode error",
                        "input": {},
                        "ctx": {"error": error.msg},
                    }
                ],
                body=error.doc,
                endpoint_ctx=context(request),
            ) from error
        except HTTPException:
            raise
        except Exception as error:
            if MAX_BODY_SIZE_SCOPE_KEY in request.scope and (limit := get_body_limit_error(error)):
                raise limit from error
            raise HTTPException(status_code=400, detail="There was an error parsing the body") from error

    return read


async def _body(request: Request) -> bytes:
    """Return the body, which mostly comes in one message: then no generator is made to read it."""
    if type(request) is Request and not hasattr(request, "_body") and not request._stream_consumed:
        receive = request._receive
        message = await receive()
        if message["type"] == "http.request" and not message.get("more_body", False):
            request._stream_consumed = True
            request._body = bytes(message.get("body", b""))  # a server may give another type of bytes
            return request._body
        request._receive = _first(message, receive)
    return await request.body()


def _decoded(body: bytes) -> Any:
    """Return what `json.loads` returns, or raise what it raises: in one step, of an object in UTF-8."""
    is_usual = json.loads is _LOADS  # a test, or a tracer, may stand in its place
    if is_usual and body[:1] == b"{" and body[1:2] != b"\0":  # in UTF-16 and UTF-32 a zero is beside it
        text = body.decode("utf-8", "surrogatepass")
        value, end = _DECODER.raw_decode(text)
        if end == len(text) or not text[end:].strip(" \t\r\n"):
            return value
    return json.loads(body)


def _first(message: Message, receive: Receive) -> Receive:
    """Return what gives a message once more, and then those that come after it."""
    messages = [message]

    async def receive_again() -> Message:
        return messages.pop() if messages else await receive()

    return receive_again


def _is_json(request: Request, strict: bool) -> bool:
    if values_of(request, b"content-type") == _JSON:
        return True
    content_type = request.headers.get("content-type")
    if content_type == "application/json":
        return True
    if not content_type:
        return not strict
    message = email.message.Message()
    message["content-type"] = content_type
    if message.get_content_maintype() != "application":
        return False
    subtype = message.get_content_subtype()
    return subtype == "json" or subtype.endswith("+json")
