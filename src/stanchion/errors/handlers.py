"""The handlers: every way a request can fail, turned into a problem."""

import logging
import re
from collections.abc import Iterable, Mapping
from typing import Any

import structlog
from fastapi import FastAPI
from fastapi.encoders import jsonable_encoder
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match
from starlette.types import ASGIApp, Receive, Scope, Send

from stanchion.errors.domain import DomainError
from stanchion.errors.openapi import document_errors
from stanchion.errors.problem import phrase, problem
from stanchion.exchange import Exchange

_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
HEAD_IS_ANSWERED = "stanchion.head"
"""In the scope where HEAD is answered wherever GET is, whatever the routes say."""
_MOST_ERRORS = 50
"""Of one request that are told, place by place: one body could have a hundred thousand."""
_LONGEST_NAME = 100
_NO_JSON = "JSON decode error"
"""What FastAPI says of a body that is no JSON; Pydantic has other words for a field that holds none."""
_FORM = "which of several forms the rest has"
_NO_BODY = frozenset({204, 205, 304})

log = structlog.stdlib.get_logger("stanchion")


def handle_errors(app: FastAPI, *, body_statuses: Iterable[int] = (400,)) -> None:
    """Give every error of `app`, from an unknown path to a crash, the shape of a problem.

    `body_statuses` are the statuses that any operation with a request body can give, for
    its documentation. Call it before adding the CORS middleware, so that a crash's answer
    passes through that too.
    """
    app.add_exception_handler(DomainError, domain_error)
    app.add_exception_handler(HTTPException, http_exception)
    app.add_exception_handler(RequestValidationError, validation_error)
    app.add_middleware(CrashMiddleware)
    document_errors(app, body_statuses=body_statuses)


async def domain_error(request: Request, exc: Exception) -> Response:
    """Shape a DomainError; one that is the server's own fault is logged, with its cause."""
    assert isinstance(exc, DomainError)
    if exc.status >= 500:
        cause = f"{type(exc.__cause__).__name__}: {exc.__cause__}" if exc.__cause__ else None
        log.warning("failed", status=exc.status, reason=exc.code, cause=cause)
    return problem(
        request.scope,
        status=exc.status,
        detail=exc.message,
        error=exc.code,
        headers=exc.headers,
        extensions=exc.extensions,
    )


async def http_exception(request: Request, exc: Exception) -> Response:
    """Shape an HTTPException, FastAPI's or Starlette's; a 405 names every method of its path."""
    assert isinstance(exc, HTTPException)
    headers = dict(exc.headers or {})
    if exc.status_code in _NO_BODY:
        return Response(status_code=exc.status_code, headers=headers)
    if exc.status_code == 405:
        # Only Starlette's StaticFiles, mounted, refuses a method by itself.
        headers["Allow"] = ", ".join(allowed_methods(request) or ("GET", "HEAD"))
    detail = exc.detail
    extensions: dict[str, Any] = {}
    if not isinstance(detail, str):
        # FastAPI lets a detail be any JSON; RFC 9457 wants text there.
        extensions = {"context": jsonable_encoder(exc.detail)}
        detail = phrase(exc.status_code)
    return problem(
        request.scope, status=exc.status_code, detail=detail, headers=headers, extensions=extensions
    )


async def validation_error(request: Request, exc: Exception) -> Response:
    """Shape what FastAPI found wrong with the request: each place, never the value sent."""
    assert isinstance(exc, RequestValidationError)
    found = exc.errors()
    errors = [_detail(request, item) for item in found[:_MOST_ERRORS]]
    places = ", ".join(map(_place, errors[:3]))
    more = f" and {len(found) - 3} more" if len(found) > 3 else ""
    return problem(
        request.scope,
        status=422,
        detail=f"The request is not valid: {places}{more}.",
        error="validation_failed",
        extensions={"errors": errors},
    )


def _detail(request: Request, item: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is wrong in one place, without the words that Python's exceptions begin with."""
    # A name that is not known is the client's own text.
    loc = [part[:_LONGEST_NAME] if isinstance(part, str) else part for part in item["loc"]]
    kind = str(item["type"])
    words = str(item["msg"]).removeprefix("Value error, ").removeprefix("Assertion failed, ")
    if loc == ["body"] and kind.endswith("_attributes_type") and not _is_json(request):
        words, kind = "The body is no JSON by its header: send Content-Type: application/json", "content_type"
    if kind in ("union_tag_not_found", "union_tag_invalid"):
        loc, words = _of_tag(loc, words, item.get("ctx", {}))
    return {"loc": loc, "msg": words, "type": kind}


def _of_tag(loc: list[str | int], words: str, given: Mapping[str, Any]) -> tuple[list[str | int], str]:
    """Return the place and the words of a union whose form one field tells, in place of Pydantic's.

    Those name no place, and what was sent. Where a function tells the form, they stay as they are.
    """
    field = re.fullmatch(r"'([^']+)'", str(given.get("discriminator", "")))
    if field is None:
        return loc, words
    before, _, last = str(given.get("expected_tags", "")).rpartition(", ")
    allowed = f"{before} or {last}" if before else last
    return [*loc, field[1]], f"Input should be {allowed}" if allowed else f"Field required: it tells {_FORM}"


def _place(error: Mapping[str, Any]) -> str:
    """Return where something is wrong, for a sentence: `body.title`."""
    if error["type"] == "json_invalid" and error["msg"] == _NO_JSON:
        return f"the JSON of the body is broken at character {error['loc'][-1]}"  # and no field of this name
    return ".".join(map(str, error["loc"]))


def _is_json(request: Request) -> bool:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    return kind == "application/json" or (kind.startswith("application/") and kind.endswith("+json"))


def allowed_methods(request: Request) -> list[str]:
    """Return the methods that some route answers at this path (RFC 9110, 10.2.1)."""
    scope = {key: value for key, value in request.scope.items() if key != "fastapi"}

    def answered(method: str) -> bool:
        if method == "HEAD" and HEAD_IS_ANSWERED in scope:
            method = "GET"
        asked = {**scope, "method": method}
        return any(route.matches(asked)[0] is Match.FULL for route in request.app.router.routes)

    return [method for method in _METHODS if answered(method)]


def _log_crash(scope: Scope, exc: Exception) -> None:
    if structlog.is_configured():
        log.error("failed", method=scope["method"], path=scope["path"], exc_info=exc)
        return
    # Left as it comes, structlog prints the variables of every frame: the client's key among them.
    logging.getLogger("stanchion").error("failed: %s %s", scope["method"], scope["path"], exc_info=exc)


class CrashMiddleware:
    """Answers an unexpected exception with a 500 problem, logs it once, and lets it go on.

    It goes on to whoever reports crashes outside (telemetry, a test client); the server's
    own second traceback is dropped by `stanchion.logging`.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        exchange, send = Exchange.of(scope, send)
        try:
            await self.app(scope, receive, send)
        except Exception as exc:
            _log_crash(scope, exc)
            exc.__stanchion_logged__ = True  # type: ignore[attr-defined] # read by stanchion.logging
            if not exchange.status:
                detail = "Something went wrong here. It was logged under this request's id."
                response = problem(scope, status=500, detail=detail)
                await response(scope, receive, send)
            raise
