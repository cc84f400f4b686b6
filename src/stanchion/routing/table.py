"""The routes of an app in one table: for each path, those that may answer it, as they stand.

What FastAPI works out on the way down its tree of routers, twice for each request, is here worked out once.
Whether a route answers is still asked of FastAPI's own `matches`: the table leaves out those that cannot.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from operator import is_
from typing import Any

from fastapi.routing import (
    APIRoute,
    APIRouter,
    APIWebSocketRoute,
    _EffectiveRouteContext,
    _IncludedRouter,
)
from starlette.routing import Match, Mount, Route, WebSocketRoute, compile_path
from starlette.types import Scope

from stanchion.routing.handling import Before, Handler, handler_of
from stanchion.routing.route import plan_of

_BY_REGEX = (Route.matches, APIRoute.matches, Mount.matches, _EffectiveRouteContext.matches)
"""The ways in which the `path_regex` of a route decides; one that matches in another may match any path."""

_NO_HTTP = (WebSocketRoute.matches, APIWebSocketRoute.matches)


@dataclass(frozen=True, slots=True, eq=False)
class Candidate:
    """What may answer: a route in one place of the tree, or all that an included router has."""

    ask: Callable[[Scope], tuple[Match, Scope]]
    """The `matches` of FastAPI or Starlette."""

    begin: tuple[str, ...] = ()
    """The parts that each path begins with which it matches."""

    whole: bool = False
    """Whether it matches no more than these."""

    route: APIRoute | None = None
    """The route, where it is compiled and nothing is around its handler; None for what is left to FastAPI."""

    included: _IncludedRouter | None = None
    """The router that has the route, in the place where it is included; None for a route of the app's own."""

    context: _EffectiveRouteContext | None = None
    """What FastAPI makes of the route in that place."""

    after_included: bool = False
    """Whether FastAPI asks an included router before it."""

    handler: Handler | None = None
    """What answers, with a route."""

    short: Before | None = None
    """What may answer before it."""

    app: Any = None
    """What FastAPI made of the handler."""

    place: Any = None
    """What `ask` is of, where it need not be asked for a method that is none of its own."""

    @property
    def ready(self) -> Handler | None:
        """What can answer alone; a route may be given another app, or `handle`, at any time."""
        route = self.route
        if route is None or "handle" in vars(route):  # somebody has given it another
            return None
        place = route if self.context is None else self.context
        return self.handler if place.app is self.app else None


@dataclass(slots=True)
class _Node:
    """Paths that begin alike."""

    at: list[Candidate] = field(default_factory=list)
    """What may match the path that has these parts and no more."""

    under: list[Candidate] = field(default_factory=list)
    """What may match one that has more, of which no node is known."""

    below: dict[str, "_Node"] = field(default_factory=dict)

    def add(self, candidate: Candidate) -> None:
        """Add what matches paths that have more parts than these."""
        self.under.append(candidate)
        for node in self.below.values():
            node.at.append(candidate)
            node.add(candidate)

    def trim(self) -> None:
        """Take away what comes after the last compiled route: FastAPI finds it as well without us."""
        for candidates in (self.at, self.under):
            while candidates and candidates[-1].route is None:
                candidates.pop()
        for node in self.below.values():
            node.trim()


class Table:
    """What may answer, as the tree of routers was when this was made."""

    def __init__(self, router: APIRouter) -> None:
        self._router, self._routes = router, list(router.routes)
        self._seen = [(one, one._routes_version, len(one.routes)) for one in _routers(router)]
        self._root = _Node()
        candidates = list(_candidates(router))
        self._depth = max((len(one.begin) for one in candidates), default=0)
        nodes = [self._node(one.begin) for one in candidates]  # all of them, before the first is filled
        for candidate, node in zip(candidates, nodes, strict=True):
            if candidate.whole:
                node.at.append(candidate)
            else:
                node.add(candidate)
        self._root.trim()

    def is_current(self) -> bool:
        """Tell whether FastAPI would find the tree as it was.

        It asks the app's own routes one by one, whoever put them there; of what is put into an included
        router it sees only what raises the version, and routers.
        """
        for router, version, count in self._seen:
            if router._routes_version != version or len(router.routes) != count:
                return False
        return all(map(is_, self._router.routes, self._routes))

    def near(self, path: str) -> list[Candidate]:
        """Return what may match the path, as FastAPI asks for it: up to the last compiled route."""
        node = self._root
        # A regex that ends in `$` takes one line feed more.
        for part in path.removesuffix("\n").split("/", self._depth):
            below = node.below.get(part)
            if below is None:
                return node.under
            node = below
        return node.at

    def _node(self, parts: tuple[str, ...]) -> _Node:
        node = self._root
        for part in parts:
            node = node.below.setdefault(part, _Node())
        return node


def _routers(router: APIRouter) -> list[APIRouter]:
    """Return a router and all that it includes, each once."""
    found = {id(router): router}
    for route in router.routes:
        if isinstance(route, _IncludedRouter):
            found |= {id(one): one for one in _routers(route.original_router)}
    return list(found.values())


def _candidates(router: APIRouter) -> Iterator[Candidate]:
    """Yield what may answer, in the order in which FastAPI asks."""
    after_included = False
    for route in router.routes:
        if isinstance(route, _IncludedRouter):
            after_included = True
            yield from _included(route)
        elif _function(route.matches) not in _NO_HTTP:
            planned = _planned(route, route) if isinstance(route, APIRoute) else {}
            yield Candidate(route.matches, *_reach(route), after_included=after_included, **planned)


def _included(included: _IncludedRouter) -> Iterator[Candidate]:
    """Yield what an included router has; itself alone, where FastAPI does more on its way to that."""
    try:
        places = included.effective_candidates()
    except Exception:  # a route is wrong: FastAPI says so when it comes to this router
        places = None
    if places is None or not _is_usual(included, places):
        yield Candidate(included.matches)
        return
    for place in places:
        if isinstance(place, _IncludedRouter):
            yield from _included(place)
        elif isinstance(place.original_route, APIRoute):
            planned = _planned(place, place.original_route)
            yield Candidate(place.matches, *_reach(place), included=included, context=place, **planned)
        elif _function((route := place.starlette_route or place.original_route).matches) not in _NO_HTTP:
            yield Candidate(place.matches, *_reach(route))


def _planned(place: Any, route: APIRoute) -> dict[str, Any]:
    """Return what a candidate has of a compiled route in one place; nothing of what is left to FastAPI."""
    plan = plan_of(place)
    handler = handler_of(place.app)
    if plan is None or handler is None or _function(route.handle) is not APIRoute.handle:
        return {}
    if _function(place.matches) not in _BY_REGEX:  # `handle` asks for the method again, which these have done
        return {}
    return {
        "route": route,
        "handler": handler,
        "short": plan.before(handler),
        "app": place.app,
        "place": None if place.param_convertors else place,  # one of those may fail
    }


def _is_usual(included: _IncludedRouter, places: list[Any]) -> bool:
    """Tell whether its places alone decide, and nothing else is set in the scope."""
    router = included.original_router
    routes = [place.original_route for place in places if isinstance(place, _EffectiveRouteContext)]
    return (
        not included.include_context.form_limits
        and _function(router.matches) is APIRouter.matches
        and _function(router.handle) is APIRouter.handle
        and all(_function(one.matches) is APIRoute.matches for one in routes if isinstance(one, APIRoute))
    )


def _reach(route: Any) -> tuple[tuple[str, ...], bool]:
    """Return the parts that each path begins with which the route matches, and whether it has no more.

    `route` is a route, or what FastAPI makes of one where its router is included.
    """
    if _function(route.matches) not in _BY_REGEX:
        return (), False
    path = f"{route.path}/{{path:path}}" if isinstance(route, Mount) else route.path
    if not _is_regex_of(path, route.path_regex):
        return (), False
    fixed, brace, _ = path.partition("{")
    parts = tuple(fixed.split("/"))
    return (parts[:-1], False) if brace else (parts, True)


def _is_regex_of(path: Any, regex: Any) -> bool:
    """Tell whether a route has the regex of its path; somebody may have given it one for capitals, too."""
    try:
        return path.startswith("/") and "\n" not in path and compile_path(path)[0] == regex
    except Exception:  # or given it what is no path
        return False


def _function(method: Any) -> Any:
    """Return the function behind a method; None where the object has been given another."""
    return getattr(method, "__func__", None)
