"""Which routes are compiled, which are not and why, and what is FastAPI's own again while it serves."""

import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import fastapi
import pytest
from fastapi import APIRouter, Depends, FastAPI, Form, Header, HTTPException, Request, Response, UploadFile
from fastapi import routing as fastapi_routing
from fastapi.dependencies.utils import get_parameterless_sub_dependant
from fastapi.responses import StreamingResponse
from fastapi.routing import APIRoute
from fastapi.sse import EventSourceResponse
from fastapi.telemetry import get_telemetry_data
from opentelemetry import trace
from pydantic import BaseModel
from starlette.applications import Starlette
from tests.routing.twins import Asked, Told, Twins

from stanchion.reply import ReplyRoute, before_commit
from stanchion.routing import PROVEN_ON, CompiledRoute, survey
from stanchion.testing import client

pytestmark = pytest.mark.anyio


@pytest.fixture(autouse=True)
def forms(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let forms be declared, without the package that would read them: FastAPI's own tests send some."""
    monkeypatch.setattr("fastapi.dependencies.utils.ensure_multipart_is_installed", lambda: None)


def test_it_is_proven_on_this_fastapi() -> None:
    assert fastapi.__version__.rpartition(".")[0] in PROVEN_ON


async def plain(number: int = 1) -> int:
    return number


async def events() -> AsyncIterator[int]:
    yield 1


def form(word: Annotated[str, Form()]) -> str:
    return word


def file(sent: UploadFile) -> str:
    return sent.filename or ""


def of_a_file(text: Annotated[str, Depends(file)]) -> str:
    return text


@pytest.mark.parametrize(
    ("endpoint", "options", "reason"),
    [
        (plain, {}, None),
        (plain, {"response_class": StreamingResponse}, None),
        (plain, {"response_class": EventSourceResponse}, "it streams events"),
        (events, {"response_class": EventSourceResponse}, "it streams what it yields"),
        (events, {}, "it streams what it yields"),
        (events, {"response_class": StreamingResponse}, "it streams what it yields"),
        (form, {"methods": ["POST"]}, "its body is a form"),
        (file, {"methods": ["POST"]}, "its body is a form"),
        (of_a_file, {"methods": ["POST"]}, "its body is a form"),
    ],
)
def test_what_is_compiled(endpoint: Callable[..., Any], options: dict[str, Any], reason: str | None) -> None:
    route = CompiledRoute("/", endpoint, **options)
    assert (route.compiled, route.reason) == (reason is None, reason)


async def test_what_is_not_compiled_is_served_by_fastapi() -> None:
    def declare(router: APIRouter, told: Told) -> None:
        router.add_api_route("/events", events, response_class=EventSourceResponse)
        router.add_api_route("/lines", events)

    twins = Twins(declare)
    assert twins.reasons == ["it streams what it yields"] * 2
    assert (await twins.ask(Asked(path="/events"))).body == b"data: 1\n\n"
    assert (await twins.ask(Asked(path="/lines"))).body == b"1\n"


def test_what_cannot_be_planned_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(dependant: object) -> None:
        raise LookupError("not known")

    monkeypatch.setattr("stanchion.routing.dependencies._special", fail)
    route = CompiledRoute("/", plain)
    assert route.reason == "it could not be planned: LookupError('not known')"


def test_a_class_that_handles_by_itself() -> None:
    class Own(CompiledRoute):
        def get_route_handler(self) -> Any:
            async def handle(request: Request) -> Response:
                return Response()

            return handle

    assert Own("/", plain).reason == "its class has a handler of its own"


async def test_a_class_that_wraps_the_handler_stands_before_it() -> None:
    class Kept(ReplyRoute, CompiledRoute):
        pass

    class Lost(CompiledRoute, ReplyRoute):
        pass

    kept: list[bytes] = []

    async def keep(response: Response) -> None:
        kept.append(bytes(response.body))

    async def root(request: Request) -> int:
        before_commit(request, keep)
        return 1

    app = FastAPI()
    app.router.route_class = Kept
    app.get("/")(root)
    assert [surveyed.reason for surveyed in survey(app)] == [None]
    async with client(app) as caller:
        await caller.get("/")
    assert kept == [b"1"]
    assert Lost("/", root).reason == "keeping.<locals>.handler stands before FastAPI's handler"


async def test_each_place_where_a_router_is_included_has_its_dependencies() -> None:
    def deny(x_who: Annotated[str, Header()] = "nobody") -> None:
        if x_who != "me":
            raise HTTPException(403)

    def declare(router: APIRouter, told: Told) -> None:
        inner = APIRouter(route_class=router.route_class)
        inner.add_api_route("/items", plain)
        router.include_router(inner, prefix="/open")
        router.include_router(inner, prefix="/closed", dependencies=[Depends(deny)])

    for include in (None, {"prefix": "/v1"}):
        twins = Twins(declare, include=include)
        prefix = "/v1" if include else ""
        assert twins.reasons == [None, None]
        await twins.same(Asked(path=f"{prefix}/open/items"))
        await twins.same(Asked(path=f"{prefix}/closed/items"), 403)
        await twins.same(Asked(path=f"{prefix}/closed/items", headers=[("x-who", "me")]))


def test_a_survey() -> None:
    async def uploaded(sent: UploadFile) -> None: ...

    router = APIRouter(route_class=CompiledRoute)
    router.add_api_route("/items", plain, methods=["GET", "HEAD"])
    app = FastAPI(openapi_url=None)
    app.include_router(router)
    app.include_router(router, prefix="/files", dependencies=[Depends(uploaded)])
    app.add_api_route("/own", plain)
    app.mount("/mounted", Starlette())
    assert [(one.path, set(one.methods), one.compiled, one.reason) for one in survey(app)] == [
        ("/items", {"GET", "HEAD"}, True, None),
        ("/files/items", {"GET", "HEAD"}, False, "its body is a form"),
        ("/own", {"GET"}, False, "it is APIRoute"),
    ]


async def test_overrides_that_are_set_after_the_start() -> None:
    async def user(x_user: Annotated[str, Header()]) -> str:
        return x_user

    async def shouting(user: Annotated[str, Depends(user)]) -> str:
        return user.upper()

    def declare(router: APIRouter, told: Told) -> None:
        @router.get("/")
        async def root(
            one: Annotated[str, Depends(user)], other: Annotated[str, Depends(shouting)], number: int = 1
        ) -> list[str]:
            return [one, other]

    async def nobody() -> str:
        return "nobody"

    async def somebody(name: Annotated[str, Depends(nobody)], number: int = 2) -> str:
        return f"{name} {number}"

    twins = Twins(declare)
    asked = Asked(headers=[("x-user", "me")])
    overrides: list[tuple[dict[Any, Any], list[str]]] = [
        ({}, ["me", "ME"]),
        ({user: nobody}, ["nobody", "NOBODY"]),
        ({shouting: somebody}, ["me", "nobody 2"]),
        ({user: somebody, nobody: lambda: "x"}, ["x 2", "X 2"]),
        ({print: print}, ["me", "ME"]),
        ({}, ["me", "ME"]),
    ]
    for overriding, expected in overrides:
        for app in twins.apps.values():
            app.dependency_overrides = overriding
        assert (await twins.same(asked)).json() == expected
        await twins.ask(Asked(query="number=x"))


async def test_overrides_that_a_dependency_sets() -> None:
    """The next dependency of the same request is asked for in them, added or put in the place of the old."""

    async def name() -> str:
        return "own"

    def declare(router: APIRouter, told: Told) -> None:
        async def setting(request: Request, how: str) -> None:
            if how == "add":
                request.app.dependency_overrides[name] = lambda: "added"
            else:
                request.app.dependency_overrides = {name: lambda: "put"}

        @router.get("/", dependencies=[Depends(setting)])
        async def root(name: Annotated[str, Depends(name)]) -> str:
            return name

    for how, expected in (("add", "added"), ("put", "put")):
        assert (await Twins(declare).same(Asked(query=f"how={how}"))).json() == expected


async def test_an_override_that_yields_and_reads_the_body() -> None:
    """The body is read as the path operation declares it, whatever its dependencies become."""

    class Item(BaseModel):
        name: str

    async def base() -> str:
        return "base"

    overriding: list[Callable[..., Any]] = []

    def declare(router: APIRouter, told: Told) -> None:
        async def instead(item: Item, text: Annotated[str | None, Form()] = None) -> AsyncIterator[str]:
            yield f"{item.name} {text}"
            told.append("closed")

        overriding.append(instead)

        @router.post("/one")
        async def one(item: Item, value: Annotated[str, Depends(base, scope="function")]) -> str:
            return value

        @router.post("/two")
        async def two(item: Item, other: Item, value: Annotated[str, Depends(base)]) -> str:
            return value

    twins = Twins(declare)
    for app, instead in zip(twins.apps.values(), overriding, strict=True):
        app.dependency_overrides[base] = instead
    assert twins.reasons == [None, None]
    for sent in ({"name": "n"}, {"item": {"name": "n"}, "other": {"name": "o"}, "text": "t"}, {"text": 1}, 3):
        await twins.ask(Asked.json(sent, path="/one"))
        await twins.ask(Asked.json(sent, path="/two"))


@pytest.mark.parametrize("name", ["solve_dependencies", "run_endpoint_function", "serialize_response"])
async def test_what_watches_fastapis_functions_still_sees_them_called(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Tracers replace them, some after the routes are made."""
    app = FastAPI()
    app.router.route_class = CompiledRoute
    app.get("/")(plain)
    route: Any = app.routes[-1]
    seen: list[str] = []
    original = getattr(fastapi_routing, name)

    async def watching(*arguments: Any, **named: Any) -> Any:
        seen.append(name)
        return await original(*arguments, **named)

    async with client(app) as caller:
        await caller.get("/")
        assert (seen, route.compiled) == ([], True)
        monkeypatch.setattr(fastapi_routing, name, watching)
        assert route.reason == f"fastapi.routing.{name} was replaced by {__name__}"
        assert (await caller.get("/")).json() == 1
        assert seen == [name]
        assert CompiledRoute("/", plain).reason == route.reason
        monkeypatch.undo()
        await caller.get("/")
        assert (seen, route.compiled) == ([name], True)


def test_what_replaces_the_making_of_handlers_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    original = fastapi_routing.get_request_handler
    monkeypatch.setattr(fastapi_routing, "get_request_handler", lambda **named: original(**named))
    assert (
        CompiledRoute("/", plain).reason == f"fastapi.routing.get_request_handler was replaced by {__name__}"
    )


async def test_dependencies_that_are_added_to_a_route_are_solved() -> None:
    def deny() -> None:
        raise HTTPException(403)

    app = FastAPI()
    app.router.route_class = CompiledRoute
    app.get("/")(plain)
    route: Any = app.routes[-1]
    async with client(app) as caller:
        assert (await caller.get("/")).status_code == 200
        added = get_parameterless_sub_dependant(depends=fastapi.params.Depends(deny), path="/")
        route.dependant.dependencies.insert(0, added)
        assert route.reason == "its dependencies were changed after it was planned"
        assert (await caller.get("/")).status_code == 403


async def test_requests_of_another_class() -> None:
    class Shouting(Request):
        async def body(self) -> bytes:
            return (await super().body()).upper()

    class Refused(Request):
        async def body(self) -> bytes:
            raise HTTPException(415, "in another form")

    class Renamed(Request):
        @property
        def query_params(self) -> Any:
            return {"number": "7"}

    def declare(router: APIRouter, told: Told) -> None:
        for name, wanted in (("shouting", Shouting), ("renamed", Renamed), ("refused", Refused)):

            class Wrapped(router.route_class):  # type: ignore[name-defined, misc] # the router's own class
                kind: type[Request] = wanted

                def get_route_handler(self) -> Any:
                    handle = super().get_route_handler()

                    async def handler(request: Request) -> Response:
                        response: Response = await handle(self.kind(request.scope, request.receive))
                        return response

                    return handler

            routes = APIRouter(route_class=Wrapped)

            @routes.post(f"/{name}")
            async def root(words: list[str], number: int = 1) -> Any:
                return [words, number]

            router.include_router(routes)

    twins = Twins(declare)
    assert twins.reasons == [None] * 3
    assert (await twins.ask(Asked.json(["a"], path="/shouting"))).json() == [["A"], 1]
    assert (await twins.ask(Asked.json(["a"], path="/refused"))).status == 415
    assert (await twins.ask(Asked.json(["a"], path="/renamed"))).json() == [["a"], 7]


async def test_bodies_that_are_too_large_or_cannot_be_read() -> None:
    def declare(router: APIRouter, told: Told) -> None:
        @router.post("/", max_body_size=10)
        async def root(words: list[str]) -> list[str]:
            return words

    twins = Twins(declare)
    assert (await twins.same(Asked.json(["a"]))).json() == ["a"]
    await twins.same(Asked.json(["a" * 20]), 413)


class Spans(trace.TracerProvider, trace.Tracer):
    """Keeps the names of the spans that are begun."""

    def __init__(self) -> None:
        self.names: list[str] = []

    def get_tracer(self, *arguments: Any, **named: Any) -> trace.Tracer:
        return self

    def start_span(self, name: str, *arguments: Any, **named: Any) -> trace.Span:
        self.names.append(name)
        return trace.INVALID_SPAN

    @contextmanager
    def start_as_current_span(  # type: ignore[override] # OpenTelemetry has a decorator of its own for it
        self, name: str, *arguments: Any, **named: Any
    ) -> Iterator[trace.Span]:
        yield self.start_span(name)


@pytest.mark.parametrize("kind", [APIRoute, CompiledRoute])
async def test_telemetry_sees_what_it_saw(kind: type[APIRoute]) -> None:
    spans = Spans()
    app = FastAPI(telemetry={"tracer_provider": spans, "metrics": False, "logs": False})
    app.router.route_class = kind

    @app.get("/{number}")
    async def root(number: int, one: Annotated[int, Depends(plain)]) -> list[str]:
        data = get_telemetry_data()
        assert data is not None
        assert data.values == {"number": number, "one": one}
        return spans.names

    async with client(app) as caller:
        answered = await caller.get("/7")
        refused = await caller.get("/x")
    assert answered.json() == ["GET", "fastapi.dependencies", "fastapi.endpoint", "fastapi.serialization"]
    assert refused.status_code == 422
    assert spans.names[4:] == ["GET", "fastapi.dependencies"]


def test_openapi_is_the_same() -> None:
    class Item(BaseModel):
        name: str

    def document(kind: type[APIRoute]) -> Any:
        app = FastAPI()
        app.router.route_class = kind

        @app.post("/{number}", status_code=201, responses={409: {"description": "taken"}})
        async def root(number: int, item: Item, user: Annotated[str, Depends(plain)]) -> list[Item]:
            return [item]

        return app.openapi()

    assert document(CompiledRoute) == document(APIRoute)


UNKNOWN = """
import sys
import fastapi
from fastapi import telemetry, dependencies
fastapi.__version__ = "0.166.0"
import fastapi.routing
del fastapi.routing._effective_route_context_var, fastapi.routing._extract_endpoint_context
for name in ("fastapi.telemetry._api", "fastapi.dependencies.models", "fastapi._compat"):
    sys.modules[name] = None
from stanchion.routing import CompiledRoute, survey
assert "stanchion.routing.plan" not in sys.modules
print(fastapi.routing.APIRoute.get_route_handler is not CompiledRoute.get_route_handler)
class Route(CompiledRoute):
    pass
"""


def test_another_fastapi_is_left_alone() -> None:
    done = subprocess.run([sys.executable, "-c", UNKNOWN], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("True\n", "")


async def test_a_route_in_another_fastapi_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fastapi, "__version__", "0.166.0")
    app = FastAPI()
    app.router.route_class = CompiledRoute
    app.get("/")(plain)
    reason = "FastAPI 0.166.0 is none that routes are compiled for (0.165)"
    assert [surveyed.reason for surveyed in survey(app)][-1] == reason
    assert app.routes[-1].reason == reason  # type: ignore[attr-defined] # a CompiledRoute
    async with client(app) as caller:
        assert (await caller.get("/")).json() == 1
