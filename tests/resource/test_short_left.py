"""When the short ways of a resource are not taken: where somebody else has a say."""

from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any

import pytest
from fastapi import APIRouter, Depends, FastAPI, Request, Response
from fastapi.responses import JSONResponse
from pydantic import SecretStr
from sqlalchemy import event, true
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Session
from sqlmodel import col
from starlette.middleware import Middleware
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Receive, Scope, Send
from tests.databases import Renewable, renewable
from tests.resource.shells import (
    SERVICE,
    Pearl,
    PearlBody,
    Shell,
    ShellCreate,
    ShellResponse,
    Taken,
    User,
    bare,
    fill,
    resources,
)

import stanchion
from stanchion import Caller, Database
from stanchion.errors import ForbiddenError
from stanchion.idempotency import Idempotency
from stanchion.resource.route import ResourceRoute, WritingRoute
from stanchion.routing import plan
from stanchion.security import KeyGuard
from stanchion.testing import client

pytestmark = pytest.mark.anyio

Build = Callable[[Database], FastAPI]
ALL, READS, NONE = "answered left answered answered", "answered left answered", ""
LEFT = "left left left left"


@pytest.fixture(scope="module")
def sqlite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Renewable]:
    """Whether it is taken is decided before any database is asked: one is enough."""

    class Of:
        param = "sqlite"

        def getfixturevalue(self, _: str) -> pytest.TempPathFactory:
            return tmp_path_factory

    of: Any = Of()
    with renewable(of, fill) as one:
        yield one


@pytest.fixture
async def database(sqlite: Renewable) -> AsyncIterator[Database]:
    sqlite.renew()
    database = Database(sqlite.url)
    yield database
    await database.close()


@pytest.fixture
def taken(monkeypatch: pytest.MonkeyPatch) -> Taken:
    taken = Taken()
    monkeypatch.setattr(plan, "short_of", taken.spied)
    return taken


async def asked(app: FastAPI) -> list[int]:
    """Ask for a row, twice for a page, and for a new row; return the statuses."""
    headers = {"X-API-Key": SERVICE, "X-User-ID": "1"}
    async with client(app, raise_app_exceptions=False, headers=headers) as caller:
        answers = [
            await caller.get("/shells/1"),
            await caller.get("/shells?limit=2"),
            await caller.get("/shells?limit=2"),
            await caller.post("/shells", json={"name": "new"}),
        ]
    return [answer.status_code for answer in answers]


async def nothing() -> None: ...


async def refuse() -> None:
    raise ForbiddenError


class Enveloped(JSONResponse):
    pass


def a_route(*, wrapped: bool) -> type[ResourceRoute]:
    """Return a class of routes that stands before the handler of each, in its own name or in another's."""

    class Timed(WritingRoute):
        def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
            own = super().get_route_handler()

            async def timed(request: Request) -> Response:
                response = await own(request)
                response.headers["X-Timed"] = "yes"
                return response

            return wraps(own)(timed) if wrapped else timed

    return Timed


def serve(
    *,
    app: dict[str, Any] | None = None,
    router: dict[str, Any] | None = None,
    include: dict[str, Any] | None = None,
    caller: Callable[[Database], Any] | None = None,
    **options: Any,
) -> Build:
    """Return what builds an app with these options of each."""

    def build(database: Database) -> FastAPI:
        built = bare(**(app or {}))
        shells, _ = resources(database, caller and caller(database), **options)
        own = shells.router(prefix="/shells", without=["export", "import"], **(router or {}))
        built.include_router(own, **(include or {}))
        return built

    return build


async def scope() -> Any:
    return true()


async def values() -> dict[str, Any]:
    return {"rank": 5}


async def a_caller() -> Caller:
    return Caller(None, 1)


def a_guard(kind: type[KeyGuard]) -> Callable[[Database], KeyGuard]:
    return lambda database: kind(database, service_key=SecretStr(SERVICE), users=col(User.id))


class Asking(KeyGuard):
    async def __call__(self, request: Request) -> Caller:  # type: ignore[override] # it asks for less
        return Caller(None, 1)


class Wrapping(KeyGuard):
    @wraps(KeyGuard.__call__)
    async def __call__(  # type: ignore[override] # what is wrapped has the same parameters
        self, *args: Any, **kwargs: Any
    ) -> Caller:
        return Caller(None, 1)


class Quiet(KeyGuard):
    """It changes nothing of how it is asked."""


@pytest.mark.parametrize(
    ("build", "told"),
    [
        pytest.param(serve(), ALL, id="as it is"),
        pytest.param(serve(include={"dependencies": [Depends(nothing)]}), NONE, id="include_router"),
        pytest.param(serve(router={"dependencies": [Depends(nothing)]}), NONE, id="router"),
        pytest.param(serve(app={"dependencies": [Depends(nothing)]}), NONE, id="FastAPI"),
        pytest.param(serve(include={"default_response_class": Enveloped}), NONE, id="its class"),
        pytest.param(serve(router={"default_response_class": Enveloped}), NONE, id="class of the router"),
        pytest.param(serve(app={"default_response_class": Enveloped}), NONE, id="class of FastAPI"),
        pytest.param(serve(scope=scope), NONE, id="scope"),
        pytest.param(serve(authorize=nothing), READS, id="authorize"),
        pytest.param(serve(values=values), READS, id="values"),
        pytest.param(serve(update_values=values), READS, id="update_values"),
        pytest.param(serve(encode="application"), NONE, id="encode"),
        pytest.param(serve(caller=lambda _: a_caller), NONE, id="a caller that is a function"),
        pytest.param(serve(caller=a_guard(Asking)), NONE, id="a guard with a way of its own"),
        pytest.param(serve(caller=a_guard(Wrapping)), NONE, id="a guard that is wrapped"),
        pytest.param(serve(caller=a_guard(Quiet)), ALL, id="a guard of another name"),
    ],
)
async def test_it_is_taken_where_nobody_else_has_a_say(
    build: Build, told: str, database: Database, taken: Taken
) -> None:
    assert await asked(build(database)) == [200, 200, 200, 201]
    assert taken.told() == told


@pytest.mark.parametrize(
    "build",
    [
        serve(include={"dependencies": [Depends(refuse)]}),
        serve(router={"dependencies": [Depends(refuse)]}),
        serve(app={"dependencies": [Depends(refuse)]}),
    ],
    ids=["include_router", "router", "FastAPI"],
)
async def test_a_dependency_may_refuse(build: Build, database: Database, taken: Taken) -> None:
    assert await asked(build(database)) == [403] * 4


@pytest.mark.parametrize("wrapped", [False, True])
async def test_a_route_of_ones_own_hears_of_each_request(
    wrapped: bool, database: Database, taken: Taken
) -> None:
    app = serve(router={"route_class": a_route(wrapped=wrapped)})(database)
    headers = {"X-API-Key": SERVICE, "X-User-ID": "1"}
    async with client(app, headers=headers) as caller:
        for path in ("/shells/1", "/shells", "/shells"):
            assert (await caller.get(path)).headers["X-Timed"] == "yes"
        assert (await caller.post("/shells", json={"name": "new"})).headers["X-Timed"] == "yes"
    assert taken.told() == NONE


async def test_a_function_around_the_path_operation_is_called(database: Database, taken: Taken) -> None:
    """As a library does that limits or traces the endpoints of others."""
    shells, _ = resources(database)
    app, called = bare(), []

    def noted(call: Any) -> Any:
        @wraps(call)
        async def noted(**arguments: Any) -> Any:
            called.append(call)
            return await call(**arguments)

        return noted

    own = APIRouter(route_class=ResourceRoute)
    of: Any = shells.router(prefix="/shells")
    for route in of.routes:
        if route.name in ("read_shell", "list_short_shells"):
            own.add_api_route(route.path, noted(route.endpoint))
    app.include_router(own)
    headers = {"X-API-Key": SERVICE, "X-User-ID": "1"}
    async with client(app, headers=headers) as caller:
        for path in ("/shells/1", "/shells", "/shells"):
            assert (await caller.get(path)).status_code == 200
    assert (len(called), taken.told()) == (3, NONE)


async def test_an_override_of_anything_is_heard(database: Database, taken: Taken) -> None:
    app = serve()(database)
    assert (await asked(app))[:3] == [200] * 3
    taken.clear()
    app.dependency_overrides[nothing] = refuse
    assert (await asked(app))[:3] == [200] * 3
    assert taken.told() == NONE
    app.dependency_overrides.clear()
    assert (await asked(app))[:3] == [200] * 3
    assert taken.told().startswith("answered answered answered")


@contextmanager
def listening(name: str) -> Iterator[list[str]]:
    heard: list[str] = []

    def hear(*_: Any) -> None:
        heard.append(name)

    event.listen(Session, name, hear)
    try:
        yield heard
    finally:
        event.remove(Session, name, hear)


@pytest.mark.parametrize("name", ["do_orm_execute", "after_begin", "before_commit"])
async def test_whoever_listens_to_sessions_hears_of_each(name: str, database: Database, taken: Taken) -> None:
    app = serve()(database)
    assert await asked(app) == [200, 200, 200, 201]
    assert taken.told() == ALL
    with listening(name) as heard:
        assert (await asked(app))[:3] == [200] * 3
    assert heard
    assert taken.told() == LEFT


async def test_a_session_of_ones_own(database: Database, taken: Taken) -> None:
    class Scoped(Database):
        async def get_session(self, request: HTTPConnection) -> AsyncSession:
            return await super().get_session(request)

    async def by_hand(request: Request) -> AsyncSession:
        return await database.get_session(request)

    other = Scoped(database.url.render_as_string())
    for session in (by_hand, other.get_session):
        resource: Any = type("Resource", (stanchion.Resource,), {"session": session})
        shells = resource(Shell, create=ShellCreate, response=ShellResponse)
        app = bare()
        app.include_router(shells.router(prefix="/shells", without=["export", "import"]))
        statuses = await asked(app)
        assert statuses[:3] == [200] * 3
        assert taken.told() == NONE
    await other.close()


async def test_rows_that_refer_to_others(database: Database, taken: Taken) -> None:
    shells, _ = resources(database)
    resource: Any = type("Resource", (stanchion.Resource,), {"session": database.get_session})
    resource.caller = shells.caller_dependency
    pearls = resource(
        Pearl, create=PearlBody, response=PearlBody, references={"shell_id": shells}, name="shell"
    )
    app = bare()
    app.include_router(pearls.router(prefix="/shells", without=["export", "import"]))
    headers = {"X-API-Key": SERVICE, "X-User-ID": "1"}
    async with client(app, headers=headers) as caller:
        statuses = [
            (await caller.post("/shells", json={"shell_id": number})).status_code for number in (1, 3)
        ]
        assert (await caller.get("/shells/1")).json() == {"shell_id": 1}
    assert statuses == [201, 422]
    assert taken.told() == NONE


async def by_itself(_: Any, request: Request) -> None:
    raise ForbiddenError


@pytest.mark.parametrize("own", [{}, {"__call__": by_itself}])
async def test_who_may_keep_replies_is_asked_without_a_key(
    own: dict[str, Any], database: Database, taken: Taken
) -> None:
    kind: Any = type("Own", (Idempotency,), own)
    kept = kind(database, caller=None if own else refuse)
    resource: Any = type(
        "Resource", (stanchion.Resource,), {"session": database.get_session, "idempotency": kept}
    )
    app = bare()
    shells = resource(Shell, create=ShellCreate, response=ShellResponse)
    app.include_router(shells.router(prefix="/shells", without=["export", "import"]))
    assert await asked(app) == [200, 200, 200, 403]
    assert taken.told() == READS


class Renaming:
    """Gives a header the name that we know, as what stands before an older client does."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            names = {b"x-once": b"idempotency-key", b"x-known": b"if-none-match"}
            headers = [(names.get(name, name), value) for name, value in scope["headers"]]
            scope = {**scope, "headers": headers}
        await self.app(scope, receive, send)


async def test_headers_are_those_that_the_innermost_middleware_gives(database: Database) -> None:
    app = bare(middleware=[Middleware(Renaming)])
    shells, _ = resources(database)
    app.include_router(shells.router(prefix="/shells", without=["export", "import"]))
    headers = {"X-API-Key": SERVICE, "X-User-ID": "1", "X-Once": "a", "X-Known": "*"}
    async with client(app, headers=headers) as caller:
        first, again = [await caller.post("/shells", json={"name": "new"}) for _ in range(2)]
        assert (first.status_code, again.status_code) == (201, 201)
        assert again.headers["Idempotent-Replayed"] == "true"
        assert (await caller.get("/shells/1")).status_code == 304
