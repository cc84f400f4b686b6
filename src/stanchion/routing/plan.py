"""The plan of a route: what FastAPI's own handler works out for each request, worked out once."""

from contextlib import AsyncExitStack
from types import FunctionType, ModuleType
from typing import Any

from fastapi import params, routing
from fastapi._compat import Undefined, lenient_issubclass
from fastapi.datastructures import DefaultPlaceholder
from fastapi.dependencies import utils
from fastapi.dependencies.models import _is_async_gen_callable, _is_gen_callable
from fastapi.exceptions import EndpointContext, RequestValidationError
from fastapi.sse import EventSourceResponse
from fastapi.telemetry._api import _get_request_telemetry
from starlette.requests import Request
from starlette.responses import Response

from stanchion.routing.answer import answerer
from stanchion.routing.body import body_reader
from stanchion.routing.dependencies import Planner, Work
from stanchion.routing.handling import Before, Handler
from stanchion.routing.short import short_of
from stanchion.signature import innermost
from stanchion.stack import FUNCTION_STACK, HANDLER_STACK, REQUEST_STACK

_PARTS = ("cookies", "headers", "path_params", "query_params")
"""What is read of a request beside its body, which a subclass of Request may give in its own way."""

_STANDS_FOR: tuple[tuple[ModuleType, str], ...] = (
    (routing, "get_request_handler"),
    (routing, "run_endpoint_function"),
    (routing, "serialize_response"),
    (utils, "solve_dependencies"),
)
"""The functions that a plan does the work of, and where each is written."""

_names = vars(routing)
_SOLVE, _RUN, _SERIALIZE = (
    _names["solve_dependencies"],
    _names["run_endpoint_function"],
    _names["serialize_response"],
)


class Refused(Exception):  # noqa: N818 - nothing failed: FastAPI's own handler serves the route
    """Says why a route is not planned."""


class Plan:
    """What is known of a route before any request: of an APIRoute, or of one place where it is included."""

    def __init__(self, route: Any, own: Handler) -> None:
        """Plan a route. `own` is FastAPI's handler, for what is not planned.

        Raises Refused where the route asks for what plans know nothing of.
        """
        _refuse(route, own)
        self._own = own
        self._dependant = route.dependant
        self._call = route.dependant.call
        self._dependencies = list(route.dependant.dependencies)
        self._provider = route.dependency_overrides_provider
        self._signature = Planner(embed=route._embed_body_fields).signature(route.dependant)
        strict = route.strict_content_type
        self._read = route.body_field and body_reader(
            strict=strict.value if isinstance(strict, DefaultPlaceholder) else strict, context=self._context
        )
        self._answer = answerer(route, self._context)
        self._short = short_of(route)

    @property
    def reason(self) -> str | None:
        """Why FastAPI's own handler serves the route now, although it was planned."""
        if (
            _names["solve_dependencies"] is not _SOLVE
            or _names["run_endpoint_function"] is not _RUN
            or _names["serialize_response"] is not _SERIALIZE
        ):
            return _replaced()
        if self._dependant.call is not self._call or self._dependant.dependencies != self._dependencies:
            return "its dependencies were changed after it was planned"
        return None

    async def handle(self, request: Request) -> Response:
        """Answer a request. What only FastAPI's own handler knows how to serve is handed to it."""
        if self.reason is not None or not self._usual(request):
            return await self._own(request)
        work = Work(request, self._provider, Undefined if self._read is None else await self._read(request))
        arguments = await self._signature.arguments(work)
        if work.errors:
            body = None if work.body is Undefined else work.body
            raise RequestValidationError(work.errors, body=body, endpoint_ctx=self._context(request))
        return await self._answer(work, arguments)

    def before(self, handler: Handler) -> Before | None:
        """Return the shorter way that comes before the handler of the route, None where there is none.

        A handler that somebody has put around ours is to hear of each request.
        """
        way = self._short
        if way is None or innermost(handler) != self.handle:
            return None

        async def short(request: Request) -> Response | None:
            if getattr(self._provider, "dependency_overrides", None) or self.reason is not None:
                return None
            return await way(request, Undefined if self._read is None else await self._read(request))

        return short

    def _usual(self, request: Request) -> bool:
        """Tell whether no telemetry watches, and the request has what FastAPI's own handler asks for."""
        scope = request.scope
        return (
            _get_request_telemetry() is None
            and isinstance(scope.get(HANDLER_STACK), AsyncExitStack)
            and isinstance(scope.get(REQUEST_STACK), AsyncExitStack)
            and isinstance(scope.get(FUNCTION_STACK), AsyncExitStack)
            and (type(request) is Request or _reads_as_usual(type(request)))
        )

    def _context(self, request: Request) -> EndpointContext:
        """Return where the path operation is, as errors tell it."""
        context = routing._extract_endpoint_context(self._call)
        if self._dependant.path:
            mount = request.scope.get("root_path", "").rstrip("/")
            context["path"] = f"{request.method} {mount}{self._dependant.path}"
        return context


def _refuse(route: Any, own: Handler) -> None:
    """Raise Refused for what is not planned."""
    if replaced := _replaced(own):
        raise Refused(replaced)
    chosen = route.response_class
    response_class = chosen.value if isinstance(chosen, DefaultPlaceholder) else chosen
    call = route.dependant.call
    if _is_async_gen_callable(call) or _is_gen_callable(call):
        raise Refused("it streams what it yields")
    if lenient_issubclass(response_class, EventSourceResponse):
        raise Refused("it streams events")
    if route.body_field and isinstance(route.body_field.field_info, params.Form):
        raise Refused("its body is a form")


def _replaced(own: Handler | None = None) -> str | None:
    """Return a sentence for what took the place of FastAPI's function, such as a tracer, or None."""
    for module, name in _STANDS_FOR:
        function = _names[name]
        if type(function) is not FunctionType or function.__code__.co_filename != module.__file__:
            return f"fastapi.routing.{name} was replaced by {getattr(function, '__module__', 'another')}"
    if own is not None and getattr(own, "__qualname__", "") != "get_request_handler.<locals>.app":
        return f"{getattr(own, '__qualname__', own)} stands before FastAPI's handler"
    return None


def _reads_as_usual(kind: type[Request]) -> bool:
    return all(getattr(kind, name) is getattr(Request, name) for name in _PARTS)
