"""The shortcut: one look into a table, in place of FastAPI's two walks through its tree of routers.

FastAPI asks its routers twice for each request: which of them has a route that matches, and then that one,
which route it is. The shortcut stands where the app's router begins to look, and not among `app.routes`: who
reads these (OpenAPI, `url_path_for`, what names a request in a trace) finds what was there before.
"""

from types import FunctionType
from typing import Any

from fastapi import APIRouter, FastAPI, routing
from fastapi.routing import APIRoute
from starlette import routing as starlette_routing
from starlette.routing import Match, Mount, Route
from starlette.types import Receive, Scope, Send

from stanchion.routing.versions import unproven

if unproven() is None:  # what is known of FastAPI's insides may not even be there in another version
    from fastapi.routing import _IncludedRouter, _update_scope
    from starlette._utils import get_route_path

    from stanchion.routing.table import Candidate, Table


def match_once(app: FastAPI) -> None:
    """Let `app` find its compiled path operations at once, wherever their routers are included.

    What answers a request is what FastAPI would find. Routes and routers may be added before or after this,
    also while the app serves; but a route that is given another path or regex after the first request may be
    looked for where it was. What is not compiled is left to FastAPI, and so is everything while its telemetry
    watches, while one of the functions that this saves is replaced, or on a FastAPI that is not in PROVEN_ON.

    `stanchion.app.install` does it. An app that is mounted in another is an app of its own.
    """
    if unproven() or not all(map(_is_their_own, _OWN)):
        return
    router = app.router
    holder, name = router, "middleware_stack"
    while (inner := getattr(holder, name, None)) != router.app:  # inside a limit on the size of bodies
        if inner is None or isinstance(inner, Shortcut):
            return
        holder, name = inner, "app"
    setattr(holder, name, Shortcut(router))


class Shortcut:
    """Stands for the `app` of a router: hands a request to the compiled route that answers, or to it."""

    def __init__(self, router: APIRouter) -> None:
        self._router = router
        self._app = router.app
        self._table: Table | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        found = self._find(scope) if self._may_look(scope) else None
        if found is None:
            await self._app(scope, receive, send)
        else:
            await _select(scope, *found).handle(scope, receive, send)

    def _may_look(self, scope: Scope) -> bool:
        return (
            scope["type"] == "http"
            and scope.get("fastapi.telemetry") is None
            and not self._router.form_limits
            and _saved() == _OWN
        )

    def _find(self, scope: Scope) -> tuple["Candidate", Scope] | None:
        """Return what matches first, with what is to be set in the scope; None where it is not compiled."""
        scope.setdefault("router", self._router)
        table = self._table
        if table is None or not table.is_current():
            table = self._table = Table(self._router)
        for candidate in table.near(get_route_path(scope)):
            match, child = candidate.ask(scope)
            if match is Match.FULL:
                return (candidate, child) if candidate.route else None
        return None


def _select(scope: Scope, candidate: "Candidate", child: Scope) -> Any:
    """Set in the scope what FastAPI sets on its way to a route, and return the route."""
    _update_scope(scope, child)
    if candidate.included is not None:
        scope["route"] = candidate.route
        places = scope.setdefault("fastapi", {})
        places["included_router"] = candidate.included
        places["effective_route_context"] = candidate.context
    elif candidate.after_included:
        scope.setdefault("fastapi", {})
    return candidate.route


def _saved() -> tuple[object, ...]:
    """Return the functions that are called less, or not at all: a tracer may replace them at any time."""
    return (
        APIRouter.app,
        APIRouter.matches,
        APIRouter.handle,
        _IncludedRouter.matches,
        _IncludedRouter.handle,
        APIRoute.matches,
        Route.matches,
        Mount.matches,
    )


def _is_their_own(function: Any) -> bool:
    files = (routing.__file__, starlette_routing.__file__)
    return type(function) is FunctionType and function.__code__.co_filename in files


_OWN = _saved() if unproven() is None else ()
