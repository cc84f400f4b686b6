"""match_once: the same route answers, with the same scope, as when FastAPI looks for it."""

import re
from pathlib import Path
from typing import Any

import fastapi
import pytest
import starlette
from fastapi import APIRouter, FastAPI, Request, WebSocket
from fastapi.exceptions import FastAPIError
from fastapi.routing import APIRoute, iter_route_contexts
from fastapi.testclient import TestClient
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.routing import BaseRoute
from starlette.types import ASGIApp, Receive, Scope, Send
from tests.routing.trees import ASKED, OPERATIONS, TREES, Include, Mount, Operation, Tree
from tests.routing.twins import Asked, answer

from stanchion.routing import CompiledRoute, match_once, survey
from stanchion.routing.shortcut import Shortcut

pytestmark = pytest.mark.anyio


async def both(tree: Tree, asked: Asked) -> None:
    """Ask the app in FastAPI's own way, and by the shortcut."""
    answers = []
    for is_matched_once in (False, True):
        for app in (tree.app, *tree.mounted):
            app.user_middleware.clear()
            app.middleware_stack = None
            if is_matched_once:
                match_once(app)
        answers.append(await answer(tree.app, asked, tree.told))
    assert answers[1] == answers[0]


@settings(max_examples=100, deadline=None)
@given(
    parts=TREES,
    later=st.lists(st.tuples(st.integers(0, 5), OPERATIONS), max_size=1),
    methods=st.sampled_from((("GET", "POST"), ("GET", "HEAD"), ("OPTIONS",))),
    query=st.sampled_from(("", "", "odd")),
    root_path=st.sampled_from(("", "", "/a", "/r")),
    slashes=st.booleans(),
)
async def test_it_answers_as_fastapi_does(
    parts: list[Any],
    later: list[tuple[int, Any]],
    methods: list[str],
    query: str,
    root_path: str,
    slashes: bool,
) -> None:
    try:
        tree = Tree.of(parts, redirect_slashes=slashes)
    except (FastAPIError, ValueError):  # an empty path in all, or a parameter that is there twice
        assume(False)
    requests = [
        Asked(method, root_path + path, query, root_path=root_path) for method in methods for path in ASKED
    ]
    for request in requests:
        await both(tree, request)
    for number, part in later:
        tree.add(part, tree.routers[number % len(tree.routers)])
        for request in requests:
            await both(tree, request)


GET = ("GET",)
A, B, ANY = (Operation(path, GET, "compiled") for path in ("/a", "/b", "/{x}"))


@pytest.mark.parametrize(
    ("parts", "asked"),
    [
        ([A, ANY], Asked(path="/a\n")),  # the regex of /a takes it
        ([Operation("/a\n", GET, "compiled"), ANY], Asked(path="/a\n")),
        ([Include([A], [""]), B], Asked(path="/b")),  # the router has left its mark in the scope
        ([B, Include([A], [""])], Asked(path="/b")),
        ([Operation("/a", GET, "odd"), B], Asked(path="/b", query="odd")),
        ([Include([A], [""]), Operation("/a", GET, "odd")], Asked(path="/", query="odd")),
        ([Include([Operation("/a", GET, "odd"), B], ["/b", ""])], Asked(path="/b", query="odd")),
        ([Include([Include([A], ["/a"], limits=True), ANY], [""])], Asked(path="/a/a")),
        ([Include([Mount([B], "/a"), ANY], ["", "/b"])], Asked(path="/b/a/b")),
        ([Include([Mount([Operation("/b", GET, "odd")], "/a")], [""])], Asked(path="/a/b", query="odd")),
        ([A], Asked(path="/r/a", root_path="/r")),
        ([A], Asked(path="/r", root_path="/r")),
    ],
)
async def test_what_is_rarely_drawn(parts: list[Any], asked: Asked) -> None:
    await both(Tree.of(parts), asked)


class Watched:
    """An app that matches once, and how many requests it leaves to FastAPI."""

    def __init__(self, **options: Any) -> None:
        self.app = FastAPI(openapi_url=None, **options)
        self.app.router.route_class = CompiledRoute
        self.left = 0
        match_once(self.app)
        watched = self

        class Counting(Shortcut):
            def __init__(self, app: ASGIApp, router: APIRouter) -> None:
                super().__init__(app, router)
                self.own, self.app = app, self.count

            async def count(self, scope: Scope, receive: Receive, send: Send) -> None:
                watched.left += scope["type"] != "lifespan"
                await self.own(scope, receive, send)

        self.app.user_middleware[-1] = Middleware(Counting, router=self.app.router)

    async def takes(self, path: str, status: int = 200, method: str = "GET", **asked: Any) -> bool:
        """Tell whether the shortcut finds what answers, with this status."""
        before = self.left
        answered = await answer(self.app, Asked(method, path, **asked), [])
        assert answered.status == status, answered
        return self.left == before


async def number(request: Request) -> int:
    return 1


def a_router(path: str = "/a", **options: Any) -> APIRouter:
    router = APIRouter(route_class=CompiledRoute, **options)
    router.add_api_route(path, number)
    return router


async def test_what_it_takes_and_what_it_leaves() -> None:
    watched, outer = Watched(), APIRouter()
    outer.include_router(a_router(), prefix="/deep/{x}")
    watched.app.get("/own")(number)
    watched.app.include_router(a_router(), prefix="/one")
    watched.app.include_router(a_router(), prefix="/other")
    watched.app.include_router(outer)
    watched.app.router.add_api_route("/plain", number, route_class_override=APIRoute)
    for path in ("/own", "/one/a", "/other/a", "/deep/x/a"):
        assert await watched.takes(path)
        assert await watched.takes("/r" + path, root_path="/r")
        assert not await watched.takes(path, 405, "POST")
    assert not await watched.takes("/plain")
    assert not await watched.takes("/none", 404)


async def test_a_mounted_app_is_one_of_its_own() -> None:
    watched, below = Watched(), Watched()
    below.app.include_router(a_router())
    watched.app.mount("/below", below.app)
    assert not await watched.takes("/below/a")
    assert (watched.left, below.left) == (1, 0)


async def test_limits_of_bodies_are_kept_by_fastapi() -> None:
    watched = Watched(max_body_size=3)
    watched.app.post("/a")(number)
    assert not await watched.takes("/a", method="POST", body=b"123")
    assert not await watched.takes("/a", 413, "POST", body=b"1234", headers=[("content-length", "4")])
    watched = Watched()
    watched.app.post("/a", max_body_size=3)(number)
    watched.app.post("/b")(number)
    assert not await watched.takes("/a", 413, "POST", body=b"1234", headers=[("content-length", "4")])
    assert await watched.takes("/b", method="POST", body=b"1234")


async def test_a_route_that_is_given_another_app() -> None:
    """As one that wraps it would, when the table is made."""
    watched = Watched()
    watched.app.get("/a")(number)
    assert await watched.takes("/a")
    (route,) = watched.app.routes
    assert isinstance(route, APIRoute)
    app = route.app
    route.app = GZipMiddleware(app)
    assert not await watched.takes("/a")
    route.app = app
    assert await watched.takes("/a")
    route.handle = route.handle  # type: ignore[method-assign] # as one that wraps it would
    assert not await watched.takes("/a")


async def test_limits_of_forms_are_set_by_fastapi() -> None:
    watched = Watched()
    watched.app.include_router(a_router("/a", form_limits={"max_fields": 1}))
    watched.app.include_router(a_router("/b"))
    assert [await watched.takes(path) for path in ("/a", "/b")] == [False, True]
    watched.app.router.form_limits = {"max_fields": 1}
    assert not await watched.takes("/b")


@pytest.mark.parametrize("name", ["matches", "handle"])
async def test_a_router_of_another_class_is_left_to_fastapi(name: str) -> None:
    class Own(APIRouter):
        pass

    async def handle(self: Own, *arguments: Any) -> None:
        await APIRouter.handle(self, *arguments)

    setattr(Own, name, handle if name == "handle" else lambda self, scope: APIRouter.matches(self, scope))
    watched, router = Watched(), Own(route_class=CompiledRoute)
    router.add_api_route("/a", number)
    watched.app.include_router(router)
    watched.app.include_router(a_router("/b"))
    assert [await watched.takes(path) for path in ("/a", "/b")] == [False, True]


@pytest.mark.parametrize(
    ("owner", "name"),
    [
        (owner, name)
        for owner in (APIRouter, fastapi.routing._IncludedRouter, APIRoute)
        for name in ("app", "matches", "handle")
        if hasattr(owner, name)
    ],
)
async def test_what_watches_fastapis_functions_still_sees_them_called(
    owner: Any, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    watched = Watched()
    watched.app.include_router(a_router())
    original, seen = getattr(owner, name), []

    def watching(*arguments: Any) -> Any:
        seen.append(name)
        return original(*arguments)

    assert await watched.takes("/a")
    monkeypatch.setattr(owner, name, watching)
    assert not await watched.takes("/a")
    assert seen or (owner, name) == (APIRouter, "app")  # whose method was bound before
    monkeypatch.undo()
    assert await watched.takes("/a")


async def test_telemetry_is_left_to_fastapi() -> None:
    watched = Watched()
    watched.app.include_router(a_router())

    @watched.app.middleware("http")
    async def watch(request: Request, call_next: Any) -> Any:
        request.scope["fastapi.telemetry"] = object()
        return await call_next(request)

    assert not await watched.takes("/a")


@pytest.mark.parametrize(("package", "version"), [(fastapi, "0.166.0"), (starlette, "1.11.0")])
def test_another_fastapi_or_starlette_is_left_alone(
    package: Any, version: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(package, "__version__", version)
    app = FastAPI()
    match_once(app)
    assert not app.user_middleware


def test_a_fastapi_that_a_tracer_has_changed_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stanchion.routing.shortcut._OWN", (number, APIRouter.app))
    app = FastAPI()
    match_once(app)
    assert not app.user_middleware


def test_twice_is_once() -> None:
    app = FastAPI()
    match_once(app)
    match_once(app)
    (middleware,) = app.user_middleware
    known: Any = Shortcut
    assert middleware.cls is known


async def test_it_comes_before_the_first_request() -> None:
    app = FastAPI()
    await answer(app, Asked(), [])
    with pytest.raises(RuntimeError, match="the app has started"):
        match_once(app)


async def test_it_is_inside_of_all_middlewares() -> None:
    watched = Watched()
    watched.app.include_router(a_router())
    watched.app.add_middleware(GZipMiddleware)
    assert await watched.takes("/a")


async def test_with_something_else_inside_it_leaves_all_to_fastapi() -> None:
    for around in (False, True):
        watched = Watched()
        watched.app.include_router(a_router())
        if around:
            watched.app.router.middleware_stack = GZipMiddleware(watched.app.router.app)
        else:
            watched.app.user_middleware.append(Middleware(GZipMiddleware))
        assert not await watched.takes("/a")


def test_who_reads_the_routes_finds_what_was_there() -> None:
    app = FastAPI()
    app.include_router(a_router(), prefix="/one")
    app.get("/own/{x}", name="own")(number)

    def read() -> tuple[Any, ...]:
        app.openapi_schema = None
        contexts = [context.path for context in iter_route_contexts(app.routes)]
        return list(app.routes), contexts, list(survey(app)), app.openapi(), app.url_path_for("own", x="1")

    before = read()
    match_once(app)
    assert read() == before
    assert all(isinstance(route, BaseRoute) and not isinstance(route, Shortcut) for route in app.routes)


async def test_routes_that_change_while_it_serves() -> None:
    watched, router = Watched(), a_router()
    watched.app.include_router(router)
    assert await watched.takes("/a")
    assert not await watched.takes("/late", 404)
    router.add_api_route("/late", number)
    assert await watched.takes("/late")
    watched.app.include_router(a_router("/later"))
    assert await watched.takes("/later")
    routes = watched.app.router.routes
    routes[:] = [route for route in routes if not hasattr(route, "original_router")]
    assert not await watched.takes("/a", 404)


async def test_routes_that_are_put_into_a_router_by_hand() -> None:
    """FastAPI sees them in the app's own router, and of an included one those that are routers."""
    tree = Tree.of([Include([A], [""])])
    requests = [Asked(path=path) for path in ("/a", "/b", "/c")]
    more = Tree.of([Include([Operation("/c", GET, "compiled")], [""]), B])
    for router in reversed(tree.routers):
        for request in requests:
            await both(tree, request)
        router.routes.extend(more.app.routes)
        for request in requests:
            await both(tree, request)
    assert (await answer(tree.app, requests[2], tree.told)).status == 200


async def test_a_route_in_the_place_of_one_that_is_equal() -> None:
    """Starlette's routes are equal where their path, endpoint and methods are."""
    watched = Watched()
    watched.app.get("/a", status_code=201)(number)
    assert await watched.takes("/a", 201)
    equal = CompiledRoute("/a", number, methods=["GET"], status_code=202)
    assert watched.app.router.routes == [equal]
    watched.app.router.routes[:] = [equal]
    assert await watched.takes("/a", 202)


async def test_a_route_that_is_given_another_regex_or_path() -> None:
    """As the internet tells how to make paths take capitals."""
    watched = Watched()
    for path in ("/a", "/b"):
        watched.app.get(path)(number)
    capitals, nonsense = [route for route in watched.app.routes if isinstance(route, APIRoute)]
    capitals.path_regex = re.compile(capitals.path_regex.pattern, re.IGNORECASE)
    nonsense.path = None  # type: ignore[assignment] # what is no path
    assert await watched.takes("/A")
    assert await watched.takes("/b")
    capitals.methods = {"POST"}
    assert await watched.takes("/A", method="POST")


async def test_a_route_that_cannot_be_included_fails_where_it_failed() -> None:
    watched, router = Watched(), a_router("/{x}")
    watched.app.get("/own")(number)
    watched.app.include_router(router, prefix="/a")
    watched.app.include_router(a_router("/b"), prefix="/b")
    assert await watched.takes("/own")
    inner = APIRouter()
    watched.app.include_router(inner, prefix="/{x}")
    inner.add_api_route("/{x}", number)
    assert await watched.takes("/own")
    assert await watched.takes("/b/b")
    answered = await answer(watched.app, Asked(path="/none"), [])
    assert answered.raised == ("ValueError", "Duplicated param name x at path /{x}/{x}")


async def test_frontends_are_left_to_fastapi(tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text("front", encoding="utf-8")
    watched = Watched()
    watched.app.frontend("/", directory=str(tmp_path))
    watched.app.include_router(a_router())
    assert [await watched.takes(path) for path in ("/", "/a")] == [False, True]


def test_websockets_are_left_to_fastapi() -> None:
    watched, router = Watched(), a_router()

    @watched.app.websocket("/a")
    @router.websocket("/b")
    async def echo(socket: WebSocket) -> None:
        await socket.accept()
        await socket.send_text(await socket.receive_text())

    watched.app.include_router(router)
    with TestClient(watched.app) as caller:
        for path in ("/a", "/b"):
            with caller.websocket_connect(path) as socket:
                socket.send_text("there")
                assert socket.receive_text() == "there"
        assert caller.get("/a").json() == 1
    assert watched.left == 2
