"""One request and its response, with what FastAPI has around them: exit stacks, handlers of exceptions."""

from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack
from types import FunctionType
from typing import Any, cast

from fastapi import routing
from fastapi.middleware.asyncexitstack import AsyncExitStackMiddleware
from fastapi.routing import request_response
from starlette._exception_handler import wrap_app_handling_exceptions
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from stanchion.stack import FUNCTION_STACK, HANDLER_STACK, REQUEST_STACK, callbacks

Handler = Callable[[Request], Coroutine[Any, Any, Response]]
"""What a route answers with, as its `get_route_handler` returns it."""

Before = Callable[[Request], Coroutine[Any, Any, Response | None]]
"""What may answer before it: None leaves it to the handler."""

_STACKS = (HANDLER_STACK, REQUEST_STACK, FUNCTION_STACK)


def handler_of(app: Any) -> Handler | None:
    """Return the handler that FastAPI made a route's app of; None where anything is around it."""
    if (
        type(app) is not FunctionType
        or app.__code__.co_filename != routing.__file__
        or app.__qualname__ != "request_response.<locals>.app"
    ):
        return None
    enclosed = dict(zip(app.__code__.co_freevars, app.__closure__ or (), strict=True))
    return cast("Handler", enclosed["f"].cell_contents)


async def handle(
    handler: Handler, scope: Scope, receive: Receive, send: Send, short: Before | None = None
) -> None:
    """Answer a request as FastAPI does from its ExceptionMiddleware inwards; by the shorter way, if it can.

    It has three stacks and two handlings of exceptions open around each request. Where all goes well, nothing
    is left of them but to close the stacks that are used, in their order. Where it does not, and for a
    response that is no plain one, FastAPI goes on from there.
    """
    request = Request(scope, receive, send)
    stacks: dict[str, AsyncExitStack] = {}
    response: Response | None = None
    failure: BaseException | None = None
    started = False
    try:
        if short is not None:
            response = await short(request)
        if response is None:
            stacks = {name: AsyncExitStack() for name in _STACKS}
            scope.update(stacks)
            response = await handler(request)
            await _close(stacks[FUNCTION_STACK])
        if type(response).__call__ is Response.__call__:
            started = True
            await response(scope, receive, send)
            if stacks:
                await _close(stacks[REQUEST_STACK])
                await _close(stacks[HANDLER_STACK])
            return
    except BaseException as error:
        failure = error

    async def go_on(anew: Request) -> ASGIApp:
        """Come to where this has come, inside of all that FastAPI has around it."""
        vars(anew).update(vars(request))  # what was read of the body
        for name, stack in stacks.items():
            scope[name].push_async_exit(stack)
        if failure is None:
            return cast("Response", response)
        if started:
            return too_late
        raise failure

    async def too_late(scope: Scope, receive: Receive, send: Send) -> None:
        """Fail as what has sent the beginning of a response, or all of it."""
        await send({"type": "http.response.start"})
        raise cast("BaseException", failure)

    rest = AsyncExitStackMiddleware(request_response(cast("Any", go_on)))
    handled = wrap_app_handling_exceptions(rest, Request(scope, receive, send))
    try:
        await handled(scope, receive, _unsent if started else send)
    finally:
        failure = None  # it holds this frame


async def _close(stack: AsyncExitStack) -> None:
    if callbacks(stack):
        await stack.aclose()


async def _unsent(message: Message) -> None:
    """Take the beginning of a response that has begun before; there is nothing more."""
