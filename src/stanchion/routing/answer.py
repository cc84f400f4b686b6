"""The response of a path operation, made of what it returns as FastAPI makes it."""

import functools
from collections.abc import Awaitable, Callable
from typing import Any

from fastapi._compat.v2 import ModelField, _regenerate_error_with_loc
from fastapi.datastructures import DefaultPlaceholder
from fastapi.dependencies.models import _is_coroutine_callable
from fastapi.encoders import jsonable_encoder
from fastapi.exceptions import ResponseValidationError
from fastapi.utils import is_body_allowed_for_status_code
from pydantic import ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from stanchion.routing.body import Context
from stanchion.routing.dependencies import Work
from stanchion.routing.parameters import Arguments

Answer = Callable[[Work, Arguments], Awaitable[Response]]


def answerer(route: Any, context: Context) -> Answer:
    """Return what calls the path operation and makes its response.

    `route` is an APIRoute, or what FastAPI makes of one where its router is included. The answer raises
    ResponseValidationError where what was returned does not fit the response model.
    """
    call = route.dependant.call
    field = route.response_field
    respond = _responder(route)
    check = _checker(field, context) if field else None

    def called(arguments: Arguments, request: Request) -> tuple[Any, Any]:
        """In a thread: what an ordinary function returns, and that validated."""
        returned = call(**arguments)
        if check is None or isinstance(returned, Response):
            return returned, returned
        return returned, check(returned, request)

    async def awaited(work: Work, arguments: Arguments) -> Response:
        returned = await call(**arguments)
        if isinstance(returned, Response):
            return _with_background(returned, work)
        return respond(returned if check is None else check(returned, work.request), work)

    async def threaded(work: Work, arguments: Arguments) -> Response:
        returned, checked = await run_in_threadpool(called, arguments, work.request)
        return _with_background(returned, work) if isinstance(returned, Response) else respond(checked, work)

    return awaited if _is_coroutine_callable(call) else threaded


def _with_background(response: Response, work: Work) -> Response:
    if response.background is None:
        response.background = work.background
    return response


def _checker(field: ModelField, context: Context) -> Callable[[Any, Request], Any]:
    """Return what validates what was returned, by the response model."""
    adapter = field._type_adapter

    def check(returned: Any, request: Request) -> Any:
        try:
            return adapter.validator.validate_python(returned, from_attributes=True)
        except ValidationError as error:
            found = error.errors(include_url=False)
        errors = _regenerate_error_with_loc(errors=found, loc_prefix=("response",))
        raise ResponseValidationError(errors=errors, body=returned, endpoint_ctx=context(request))

    return check


def _responder(route: Any) -> Callable[[Any, Work], Response]:
    """Return what makes the response of a value that was validated."""
    status: int | None = route.status_code or None
    make = _maker(route)

    def respond(value: Any, work: Work) -> Response:
        options: dict[str, Any] = {"background": work.background}
        shared = work.response
        chosen = status if shared is None else (shared.status_code or status or shared.status_code)
        if chosen is not None:
            options["status_code"] = chosen
        response = make(value, options)
        if not is_body_allowed_for_status_code(response.status_code):
            response.body = b""
        if shared is not None:
            response.headers.raw.extend(shared.headers.raw)
        return response

    return respond


def _maker(route: Any) -> Callable[[Any, dict[str, Any]], Response]:
    """Return what encodes a value: Pydantic at once to JSON, unless a response class was chosen."""
    field = route.response_field
    placeholder = isinstance(route.response_class, DefaultPlaceholder)
    response_class = route.response_class.value if placeholder else route.response_class
    filters = {
        "include": route.response_model_include,
        "exclude": route.response_model_exclude,
        "by_alias": route.response_model_by_alias,
        "exclude_unset": route.response_model_exclude_unset,
        "exclude_defaults": route.response_model_exclude_defaults,
        "exclude_none": route.response_model_exclude_none,
    }

    def encoded(value: Any, options: dict[str, Any]) -> Response:
        response: Response = response_class(jsonable_encoder(value), **options)
        return response

    if field is None:
        return encoded
    adapter = field._type_adapter
    serialize = functools.partial(field.serialize, **filters)

    def to_json(value: Any, options: dict[str, Any]) -> Response:
        content = adapter.serializer.to_json(value, **filters)
        return Response(content=content, media_type="application/json", **options)

    def serialized(value: Any, options: dict[str, Any]) -> Response:
        response: Response = response_class(serialize(value), **options)
        return response

    return to_json if placeholder else serialized
