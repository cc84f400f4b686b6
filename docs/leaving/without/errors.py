"""Errors as RFC 9457 problems, in the shape that the clients know."""

from http import HTTPStatus
from typing import Any
from uuid import uuid4

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

TITLES = {422: "Unprocessable Content"}  # as RFC 9110 has it; Python before 3.13 says Entity


class Problem(Exception):  # noqa: N818 - the word of RFC 9457
    """An error with a status, a code for programs and words for people."""

    def __init__(self, status: int, error: str, detail: str, **headers: str) -> None:
        self.status, self.error, self.detail, self.headers = status, error, detail, headers


def answer(
    request: Request, status: int, error: str, detail: str, headers: dict[str, str], **more: Any
) -> JSONResponse:
    title = TITLES.get(status) or HTTPStatus(status).phrase
    body = {"type": "about:blank", "title": title, "status": status, "detail": detail}
    body |= {"instance": request.url.path, "error": error, "request_id": uuid4().hex, **more}
    return JSONResponse(body, status, headers, "application/problem+json")


def handle_errors(app: FastAPI) -> None:
    @app.exception_handler(Problem)
    async def known(request: Request, exc: Problem) -> JSONResponse:
        return answer(request, exc.status, exc.error, exc.detail, exc.headers)

    @app.exception_handler(HTTPException)
    async def http(request: Request, exc: HTTPException) -> JSONResponse:
        error = HTTPStatus(exc.status_code).phrase.lower().replace(" ", "_")
        return answer(request, exc.status_code, error, str(exc.detail), dict(exc.headers or {}))

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, exc: RequestValidationError) -> JSONResponse:
        errors = [{name: one[name] for name in ("loc", "msg", "type")} for one in exc.errors()]
        places = ", ".join(".".join(map(str, one["loc"])) for one in errors[:3])
        more = f" and {len(errors) - 3} more" if len(errors) > 3 else ""
        detail = f"The request is not valid: {places}{more}."
        return answer(request, 422, "validation_failed", detail, {}, errors=errors)

    @app.exception_handler(500)
    async def crash(request: Request, exc: Exception) -> JSONResponse:
        detail = "Something went wrong here. It was logged under this request's id."
        return answer(request, 500, "internal_server_error", detail, {})
