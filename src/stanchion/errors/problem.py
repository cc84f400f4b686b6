"""The problem: the one shape of every error that leaves the app (RFC 9457)."""

import json
import os
import random
import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

from pydantic import MISSING, BaseModel, ConfigDict, Field
from starlette.responses import Response
from starlette.types import Scope

MEDIA_TYPE = "application/problem+json"

_REQUEST_ID = "stanchion.request_id"
_RENAMED = {413: "Content Too Large", 422: "Unprocessable Content"}
"""What RFC 9110 renamed and Python before 3.13 has by its old name."""
_chance = random.Random()  # noqa: S311 - ids that are told apart, no secret
"""Ours alone: an app that seeds `random` would give the same ids in each process, and tell what it draws."""
if hasattr(os, "register_at_fork"):  # Windows has no fork
    os.register_at_fork(after_in_child=_chance.seed)
_ACCEPTABLE_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:\-]{0,127}")


class ErrorDetail(BaseModel):
    """One thing that is wrong with the request, and where."""

    loc: list[str | int] = Field(
        description="Where: body, query, path or header, then the names below it. Of a body that is no JSON, "
        "the character where it breaks, from 0; of a file, the number of the line, from 1."
    )
    msg: str = Field(description="What is wrong, in words.")
    type: str = Field(description="What is wrong, as a stable name.")


class ErrorResponse(BaseModel):
    """An error, as RFC 9457 problem details."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "type": "about:blank",
                "title": "Not Found",
                "status": 404,
                "detail": "Todo not found",
                "instance": "/api/todos/7",
                "error": "todo_not_found",
                "request_id": "0b3a6d0c6a5b4bb0a5b1c0d5b7d0f3c9",
            }
        }
    )

    type: str = Field("about:blank", description="A URI for the kind of problem.")
    title: str = Field(description="The status in words.")
    status: int = Field(description="The HTTP status.")
    detail: str = Field(description="What happened, for a person.")
    instance: str = Field(description="The path that was asked for.")
    error: str = Field(description="What happened, as a stable code for programs.")
    request_id: str = Field(description="The request's id, as in the X-Request-ID header and the logs.")
    errors: list[ErrorDetail] | MISSING = Field(MISSING, description="What is wrong, place by place.")


def phrase(status: int) -> str:
    """Return the words of a status code, as RFC 9110 has them: 404 is `Not Found`."""
    if status in _RENAMED:
        return _RENAMED[status]
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Error"


def code(status: int) -> str:
    """Return a status as an error code: 404 is `not_found`."""
    return re.sub(r"[^a-z]+", "_", phrase(status).lower()).strip("_")


def request_id(scope: Scope) -> str:
    """Return the id of a request: the client's `X-Request-ID` if it is sound, else a new one.

    Sound is 1 to 128 letters, digits and `._:-`, sent once; anything else could forge a log line.
    """
    if _REQUEST_ID not in scope:
        sent = []
        for name, value in scope["headers"]:
            if name == b"x-request-id":
                sent.append(value.decode("latin-1"))
        sound = len(sent) == 1 and _ACCEPTABLE_ID.fullmatch(sent[0])
        scope[_REQUEST_ID] = sent[0] if sound else f"{_chance.getrandbits(128):032x}"
    known: str = scope[_REQUEST_ID]
    return known


def problem(
    scope: Scope,
    *,
    status: int,
    detail: str,
    error: str | None = None,
    headers: Mapping[str, str] | None = None,
    extensions: Mapping[str, Any] | None = None,
) -> Response:
    """Build the response for an error of this request.

    Text that UTF-8 cannot carry (a lone surrogate in a name that the client sent) is
    replaced, never an error of its own.
    """
    content = {
        "type": "about:blank",
        "title": phrase(status),
        "status": status,
        "detail": detail,
        "instance": quote(
            scope.get("root_path", "") + _path(scope), safe="/:@!$&'()*+,;=~-._", errors="replace"
        ),
        "error": error or code(status),
        "request_id": request_id(scope),
        **(extensions or {}),
    }
    body = json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
    response = Response(body, status_code=status, headers=dict(headers or {}), media_type=MEDIA_TYPE)
    response.headers.setdefault("X-Request-ID", request_id(scope))
    return response


def _path(scope: Scope) -> str:
    path: str = scope["path"]
    return path.removeprefix(scope.get("root_path", ""))
