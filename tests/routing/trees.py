"""Trees of routers that Hypothesis draws, and what their path operations see of a request's scope."""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from fastapi import APIRouter, Depends, FastAPI, HTTPException, Request, Response
from fastapi.routing import APIRoute
from hypothesis import strategies as st
from starlette.applications import Starlette
from starlette.convertors import Convertor, register_url_convertor
from starlette.responses import PlainTextResponse
from starlette.routing import Match, Route
from starlette.types import Receive, Scope, Send
from tests.routing.twins import Told

from stanchion.place import place
from stanchion.routing import CompiledRoute


class Fussy(Convertor[str]):
    """Takes any part of a path, and then fails for `b`."""

    regex = "[^/]+"

    def convert(self, value: str) -> str:
        if value == "b":
            raise ValueError("not this one")
        return value.upper()

    def to_string(self, value: str) -> str:
        return value


register_url_convertor("tests_fussy", Fussy())


class Odd(CompiledRoute):
    """Matches in its own way, whatever the path is."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        if scope["query_string"] == b"odd":
            return Match.FULL, {"endpoint": self.endpoint, "path_params": {"odd": 1}, "fastapi": {"odd": 1}}
        return super().matches(scope)


class Handled(CompiledRoute):
    """Handles in its own way."""

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope["handled"] = self.path
        await super().handle(scope, receive, send)


KINDS: dict[str, type[APIRoute]] = {
    "compiled": CompiledRoute,
    "plain": APIRoute,
    "odd": Odd,
    "handled": Handled,
}

PATHS = (
    "",
    "/",
    "/a",
    "/a/",
    "/a/b",
    "/{x}",
    "/{x:int}",
    "/{x:path}",
    "/{x:tests_fussy}",
    "/a/{x}",
    "/a{x}",
    "/{x}/b",
    "/a\n",
)

PREFIXES = ("", "/a", "/b", "/a/b", "/{p}", "/a/{p:int}")

ASKED = (
    "",
    "/",
    "//",
    "/a",
    "/a/",
    "/a\n",
    "/a/b",
    "/a/b/",
    "/a/7",
    "/b/a",
    "/7",
    "/7/b",
    "/a/b/a/7",
    "/ab",
    "*",
)


@dataclass(frozen=True)
class Operation:
    """A path operation; a kind that is not among KINDS is a route of Starlette's."""

    path: str
    methods: Sequence[str]
    kind: str


@dataclass(frozen=True)
class Include:
    """A router that is included in another, under each of the prefixes."""

    parts: "Sequence[Operation | Include | Mount]"
    prefixes: Sequence[str]
    denied: bool = False
    limits: bool = False


@dataclass(frozen=True)
class Mount:
    """An app that is mounted in another: of FastAPI's, or of Starlette's."""

    parts: "Sequence[Operation | Include | Mount]"
    path: str
    starlette: bool = False


OPERATIONS = st.builds(
    Operation,
    st.sampled_from(PATHS),
    st.sampled_from((("GET",), ("GET",), ("POST",), ("GET", "HEAD"), ("OPTIONS", "POST"))),
    st.sampled_from(("compiled",) * 4 + ("plain", "odd", "handled", "starlette", "socket")),
)


def _parts(part: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Return what draws parts, and routers and apps with such parts."""
    parts = st.lists(part, min_size=1, max_size=3)
    prefixes = st.lists(st.sampled_from(PREFIXES), min_size=1, max_size=2)
    rarely = st.sampled_from((False, False, False, True))
    include = st.builds(Include, parts, prefixes, rarely, rarely)
    return OPERATIONS | include | st.builds(Mount, parts, st.sampled_from(("", "/a", "/b", "/{m}")), rarely)


TREES = st.lists(_parts(_parts(OPERATIONS)), min_size=1, max_size=5)


def deny() -> None:
    raise HTTPException(403)


@dataclass
class Tree:
    """An app, its routers, and what its path operations tell of the requests that they see."""

    app: FastAPI
    told: Told = field(default_factory=list)
    routers: list[APIRouter] = field(default_factory=list)
    mounted: list[FastAPI] = field(default_factory=list)
    numbers: Iterator[int] = field(default_factory=itertools.count)

    @classmethod
    def of(cls, parts: Sequence[Any], **options: Any) -> "Tree":
        """Declare the parts in an app, and in those that are mounted in it."""
        tree = cls(FastAPI(openapi_url=None, **options))
        tree.routers.append(tree.app.router)
        for part in parts:
            tree.add(part, tree.app.router)
        return tree

    def add(self, part: Any, router: APIRouter) -> None:
        if isinstance(part, Operation):
            self._add_operation(part, router)
        elif isinstance(part, Include):
            self._include(part, router)
        else:
            router.mount(part.path, self._starlette(part) if part.starlette else self._mounted(part))

    def _add_operation(self, one: Operation, router: APIRouter) -> None:
        if one.kind in KINDS:
            router.add_api_route(
                one.path, self._endpoint(), methods=[*one.methods], route_class_override=KINDS[one.kind]
            )
        elif one.kind == "socket":
            router.add_api_websocket_route(one.path, self._endpoint())
        elif one.path:
            router.add_route(one.path, self._endpoint(), methods=[*one.methods])

    def _include(self, one: Include, router: APIRouter) -> None:
        inner = APIRouter(form_limits={"max_fields": 3} if one.limits else None)
        for part in one.parts:
            self.add(part, inner)
        self.routers.append(inner)
        for prefix in one.prefixes:
            router.include_router(inner, prefix=prefix, dependencies=[Depends(deny)] if one.denied else None)

    def _mounted(self, one: Mount) -> FastAPI:
        app = FastAPI(openapi_url=None)
        for part in one.parts:
            self.add(part, app.router)
        self.mounted.append(app)
        return app

    def _starlette(self, one: Mount) -> Starlette:
        operations = [part for part in one.parts if isinstance(part, Operation) and part.path]
        return Starlette(
            routes=[Route(part.path, self._endpoint(), methods=[*part.methods]) for part in operations]
        )

    def _endpoint(self) -> Any:
        number = next(self.numbers)

        async def endpoint(request: Request) -> Response:
            self.told.append(seen(request.scope))
            return PlainTextResponse(f"{number} {sorted(request.path_params.items())}")

        return endpoint


def seen(scope: Scope) -> dict[str, Any]:
    """Return what a path operation sees of the scope: which objects, where they are the app's own."""
    own = {name: id(scope.get(name)) for name in ("route", "endpoint", "router", "app")}
    texts = {
        name: scope.get(name) for name in ("path", "path_params", "root_path", "app_root_path", "method")
    }
    fastapi = scope.get("fastapi")
    places = None if fastapi is None else {name: _told(one) for name, one in fastapi.items()}
    return {"names": sorted(scope), **own, **texts, "fastapi": places, "place": id(place(scope))}


def _told(one: Any) -> Any:
    return one if isinstance(one, dict | int) else id(one)
