"""The shortcut: one look into a table, in place of FastAPI's two walks through its tree of routers.

FastAPI asks its routers twice for each request: which of them has a route that matches, and then that one,
which route it is. The shortcut stands before that, as the innermost of the app's middlewares, and not among
`app.routes`: who reads these (OpenAPI, `url_path_for`, what names a request in a trace) finds what was there.
"""

from collections.abc import Awaitable
from types import FunctionType
from typing import Any

from fastapi import APIRouter, FastAPI, routing
from fastapi.middleware import asyncexitstack
from fastapi.middleware.asyncexitstack import AsyncExitStackMiddleware
from fastapi.routing import APIRoute
from starlette import routing as starlette_routing
from starlette.middleware import Middleware, exceptions
from starlette.middleware.exceptions import ExceptionMiddleware
from starlette.routing import Match, Mount, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from stanchion.routing.versions import unproven

if unproven() is None:  # what is known of FastAPI's insides may not even be there in another version
    from fastapi.routing import _IncludedRouter, _update_scope
    from starlette._utils import get_route_path

    from stanchion.routing.handling import Handler, handle
    from stanchion.routing.table import Candidate, Table


def match_once(app: FastAPI) -> None:
    """Let `app` find its compiled path operations at once, wherever their routers are included.

    What answers a request is what FastAPI would find. Routes, routers and middlewares may be added before or
    after this, routes also while the app serves; but a route that is given another path or regex after the
    first request may be looked for where it was. What is not compiled is left to FastAPI, and so is a router
    with a limit on the size of bodies, and everything while its telemetry watches, while one of the functions
    that this saves is replaced, or on a FastAPI that is not in PROVEN_ON.

    `stanchion.app.install` does it. An app that is mounted in another is an app of its own. Raises
    RuntimeError for an app that has started: its middlewares are what they are.
    """
    if app.middleware_stack is not None:
        raise RuntimeError("match_once comes before the first request: the app has started.")
    if unproven() or not all(map(_is_their_own, _OWN)):
        return
    known: Any = Shortcut
    if not any(middleware.cls is known for middleware in app.user_middleware):
        # The last one is the innermost. `add_middleware` puts all others before it.
        app.user_middleware.append(Middleware(Shortcut, router=app.router))


class Shortcut:
    """Hands a request to the compiled route that answers, or to what FastAPI has inside of middlewares."""

    def __init__(self, app: ASGIApp, router: APIRouter) -> None:
        self.app = app
        self._router = router
        self._table: Table | None = None
        self.inside = _fastapis(app, router)
        """What is saved; None where that is not what FastAPI makes, and all is left to it."""

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """Return what is to be awaited: of what is only handed on, no coroutine is made."""
        inside = self.inside
        found = self._find(scope) if inside is not None and self._may_look(scope) else None
        if found is None or inside is None:
            return self.app(scope, receive, send)
        candidate, handler, child = found
        _select(scope, candidate, child)
        scope["starlette.exception_handlers"] = (inside._exception_handlers, inside._status_handlers)
        return handle(handler, scope, receive, send, candidate.short)

    def _may_look(self, scope: Scope) -> bool:
        return (
            scope["type"] == "http"
            and scope.get("fastapi.telemetry") is None
            and not self._router.form_limits
            and _saved() == _OWN
        )

    def _find(self, scope: Scope) -> tuple["Candidate", "Handler", Scope] | None:
        """Return what matches first, with what is to be set in the scope; None where it is not compiled."""
        scope.setdefault("router", self._router)
        table = self._table
        if table is None or not table.is_current():
            table = self._table = Table(self._router)
        method = scope["method"]
        for candidate in table.near(get_route_path(scope)):
            place = candidate.place
            if place is not None and place.methods and method not in place.methods:
                continue
            match, child = candidate.ask(scope)
            if match is Match.FULL:
                handler = candidate.ready
                return None if handler is None else (candidate, handler, child)
        return None


def _select(scope: Scope, candidate: "Candidate", child: Scope) -> None:
    """Set in the scope what FastAPI sets on its way to a route."""
    if "fastapi" in child:
        _update_scope(scope, child)
    else:
        scope.update(child)
    if candidate.included is not None:
        scope["route"] = candidate.route
        places = scope.setdefault("fastapi", {})
        places["included_router"] = candidate.included
        places["effective_route_context"] = candidate.context
    elif candidate.after_included:
        scope.setdefault("fastapi", {})


def _saved() -> tuple[object, ...]:
    """Return the functions that are called less, or not at all: a tracer may replace them at any time."""
    return (
        ExceptionMiddleware.__call__,
        AsyncExitStackMiddleware.__call__,
        APIRouter.__call__,
        APIRouter.app,
        APIRouter.matches,
        APIRouter.handle,
        _IncludedRouter.matches,
        _IncludedRouter.handle,
        APIRoute.matches,
        APIRoute.handle,
        Route.matches,
        Route.handle,
        Mount.matches,
    )


def _fastapis(app: ASGIApp, router: APIRouter) -> ExceptionMiddleware | None:
    """Return an app that is what FastAPI has inside of all middlewares, with nothing around the router."""
    if type(app) is not ExceptionMiddleware or type(app.app) is not AsyncExitStackMiddleware:
        return None
    return app if app.app.app is router and router.middleware_stack == router.app else None


def _is_their_own(function: Any) -> bool:
    files = (routing.__file__, starlette_routing.__file__, exceptions.__file__, asyncexitstack.__file__)
    return type(function) is FunctionType and function.__code__.co_filename in files


_OWN = _saved() if unproven() is None else ()
