"""Dependencies: called in FastAPI's order, as often as it calls them, and closed as it closes them."""

import asyncio
import contextvars
import inspect
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any, Literal

import anyio
import pytest
from fastapi import (
    APIRouter,
    BackgroundTasks,
    Body,
    Depends,
    FastAPI,
    Header,
    HTTPException,
    Query,
    Request,
    Response,
    Security,
)
from fastapi.routing import APIRoute
from fastapi.security import APIKeyHeader, HTTPBearer, SecurityScopes
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.requests import HTTPConnection
from tests.routing.twins import Asked, Told, Twins

from stanchion.routing import CompiledRoute
from stanchion.testing import client

pytestmark = pytest.mark.anyio

Scope = Literal["function", "request"] | None
KINDS = ("coroutine", "function", "async generator", "generator", "object", "partial", "class")


@dataclass(frozen=True)
class Branch:
    """A dependency to be made: what it is, on which it depends, and how each of these is declared."""

    kind: str
    uses: tuple[tuple[int, bool, Scope, int | None], ...]
    """Which of those made before, whether cached, with which scope, and how many at once."""
    parameter: bool
    fails: str | None


def signature_of(branch: Branch, name: str, made: list[Callable[..., Any]]) -> inspect.Signature:
    parameters = [
        inspect.Parameter(
            f"sub{number}",
            inspect.Parameter.KEYWORD_ONLY,
            annotation=Annotated[
                Any, Depends(made[used], use_cache=cached, scope=scope, max_concurrency=limit)
            ],
        )
        for number, (used, cached, scope, limit) in enumerate(branch.uses)
    ]
    if branch.parameter:
        wanted = Annotated[int, Query(alias=name)]
        parameters.append(inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, annotation=wanted))
    return inspect.Signature(parameters)


def make(branch: Branch, name: str, made: list[Callable[..., Any]], told: Told) -> Callable[..., Any]:
    """Return a dependency that tells when it is called and closed, and with which arguments."""

    def called(values: dict[str, Any]) -> str:
        told.append((name, "called", repr(values)))
        if branch.fails == "call":
            raise HTTPException(418, name)
        return f"{name}({', '.join(map(str, values.values()))})"

    def closing() -> None:
        told.append((name, "closed"))
        if branch.fails == "close":
            raise RuntimeError(name)

    async def coroutine(**values: Any) -> Any:
        await asyncio.sleep(0)
        return called(values)

    def function(**values: Any) -> Any:
        return called(values)

    async def async_generator(**values: Any) -> AsyncIterator[Any]:
        try:
            yield called(values)
        except BaseException as error:
            told.append((name, "saw", repr(error)))
            if branch.fails == "swallow":
                return
            raise
        finally:
            closing()

    def generator(**values: Any) -> Iterator[Any]:
        try:
            yield called(values)
        except BaseException as error:
            told.append((name, "saw", repr(error)))
            raise
        finally:
            closing()

    class Called:
        async def __call__(self, **values: Any) -> Any:
            return called(values)

    functions: dict[str, Any] = {
        "coroutine": coroutine,
        "function": function,
        "async generator": async_generator,
        "generator": generator,
        "object": Called(),
        "partial": partial(coroutine),
        "class": type(
            "Made", (), {"__init__": lambda self, **values: called(values), "__repr__": lambda _: name}
        ),
    }
    dependency: Callable[..., Any] = functions[branch.kind]
    dependency.__signature__ = signature_of(branch, name, made)  # type: ignore[attr-defined] # read by inspect
    return dependency


@st.composite
def trees(draw: st.DrawFn) -> tuple[Branch, ...]:
    """Draw dependencies, of which each may use those before it."""
    branches: list[Branch] = []
    for number in range(draw(st.integers(1, 6))):
        kind = draw(st.sampled_from(KINDS))
        wide: list[Scope] = [None, "request"] if "generator" in kind else [None, "function", "request"]
        scopes = st.sampled_from(wide)
        use = st.tuples(
            st.integers(0, max(number - 1, 0)), st.booleans(), scopes, st.sampled_from([None, 50])
        )
        uses = draw(st.lists(use, max_size=3)) if number else []
        fails = draw(st.sampled_from([None] * 9 + ["call", "close", "swallow"]))
        branches.append(Branch(kind, tuple(uses), draw(st.booleans()), fails))
    return tuple(branches)


def declaring(branches: tuple[Branch, ...], status: int | None) -> Callable[[APIRouter, Told], None]:
    def declare(router: APIRouter, told: Told) -> None:
        made: list[Callable[..., Any]] = []
        for number, branch in enumerate(branches):
            made.append(make(branch, f"d{number}", made, told))

        async def endpoint(**values: Any) -> Any:
            told.append(("endpoint", repr(values)))
            if status is not None:
                raise HTTPException(status)
            return {name: str(value) for name, value in values.items()}

        last = Branch("", tuple((number, True, None, None) for number in range(len(made))), False, None)
        endpoint.__signature__ = signature_of(last, "", made)  # type: ignore[attr-defined] # read by inspect
        router.add_api_route("/", endpoint, dependencies=[Depends(made[-1])])

    return declare


@settings(max_examples=80, deadline=None)
@given(
    trees(), st.sampled_from(["", "d0=1&d1=1&d2=1&d3=1&d4=1&d5=1", "d0=x&d1=1&d2=1&d4=1&d5=1"]), st.booleans()
)
async def test_any_tree(branches: tuple[Branch, ...], query: str, raises: bool) -> None:
    twins = Twins(declaring(branches, 409 if raises else None))
    assert twins.reasons == [None]
    await twins.ask(Asked(query=query))


async def test_a_dependency_is_called_once_and_where_it_is_asked_for_again_each_time() -> None:
    def declare(router: APIRouter, told: Told) -> None:
        async def counted(q: int = 1) -> int:
            told.append("counted")
            return len(told)

        async def over(a: Annotated[int, Depends(counted, use_cache=False)]) -> int:
            told.append("over")
            return a

        @router.get("/")
        async def root(
            a: Annotated[int, Depends(counted)],
            b: Annotated[int, Depends(counted)],
            c: Annotated[int, Depends(counted, use_cache=False)],
            d: Annotated[int, Depends(over)],
            e: Annotated[int, Depends(over)],
        ) -> list[int]:
            return [a, b, c, d, e]

    twins = Twins(declare)
    answered = await twins.same(Asked())
    assert answered.told == ["counted", "counted", "counted", "over", "counted", "response"]
    assert answered.json() == [1, 1, 2, 3, 3]
    refused = await twins.same(Asked(query="q=x"), 422)
    assert refused.body.count(b"int_parsing") == 5


async def test_function_scope_closes_before_the_response_and_request_scope_after() -> None:
    def declare(router: APIRouter, told: Told) -> None:
        async def inner() -> AsyncIterator[str]:
            yield "inner"
            told.append("inner closed")

        def outer(inner: Annotated[str, Depends(inner)]) -> Iterator[str]:
            yield f"outer of {inner}"
            told.append("outer closed")

        async def early() -> AsyncIterator[str]:
            yield "early"
            told.append("early closed")

        @router.get("/")
        async def root(
            background: BackgroundTasks,
            one: Annotated[str, Depends(outer)],
            other: Annotated[str, Depends(early, scope="function")],
        ) -> str:
            background.add_task(told.append, "background")
            return f"{one}, {other}"

    answered = await Twins(declare).same(Asked())
    assert answered.json() == "outer of inner, early"
    assert answered.told == ["early closed", "response", "background", "outer closed", "inner closed"]


@pytest.mark.parametrize("handled", [True, False])
async def test_an_exception_passes_through_what_yielded(handled: bool) -> None:
    def declare(router: APIRouter, told: Told) -> None:
        async def watching() -> AsyncIterator[None]:
            try:
                yield
            except ValueError as error:
                told.append(repr(error))
                if handled:
                    raise HTTPException(409, "turned around") from error
                raise

        @router.get("/", dependencies=[Depends(watching)])
        def root() -> None:
            raise ValueError("wrong")

    twins = Twins(declare)
    answered = await twins.ask(Asked())
    assert answered.told[0] == "ValueError('wrong')"
    assert (answered.status, answered.raised) == ((409, None) if handled else (500, ("ValueError", "wrong")))


async def test_an_exception_that_is_swallowed_is_told_of() -> None:
    def declare(router: APIRouter, told: Told) -> None:
        async def swallowing() -> AsyncIterator[None]:
            try:
                yield
            except ValueError:
                told.append("swallowed")

        @router.get("/", dependencies=[Depends(swallowing)])
        async def root() -> None:
            raise ValueError("wrong")

    answered = await Twins(declare).ask(Asked())
    assert answered.raised
    assert answered.raised[0] == "FastAPIError"


async def test_what_is_no_input() -> None:
    def declare(router: APIRouter, told: Told) -> None:
        async def first(response: Response, background: BackgroundTasks) -> Response:
            response.headers["x-first"] = "1"
            response.set_cookie("a", "b")
            background.add_task(told.append, "first")
            return response

        async def second(response: Response, background: BackgroundTasks, connection: HTTPConnection) -> str:
            response.headers.append("x-first", "2")
            response.status_code = 202
            background.add_task(told.append, "second")
            return connection.url.path

        @router.get("/", status_code=201)
        async def root(
            request: Request,
            a: Annotated[Response, Depends(first)],
            b: Annotated[str, Depends(second)],
            response: Response,
            background: BackgroundTasks,
        ) -> list[Any]:
            background.add_task(told.append, "root")
            return [request.url.path, a is response, b]

    answered = await Twins(declare).same(Asked(), 202)
    assert answered.json() == ["/", True, "/"]
    assert answered.told == ["response", "first", "second", "root"]
    assert [value for name, value in answered.sent[0]["headers"] if name == b"x-first"] == [b"1", b"2"]


async def test_scopes_of_security() -> None:
    def declare(router: APIRouter, told: Told) -> None:
        key = APIKeyHeader(name="X-Key")

        async def caller(scopes: SecurityScopes, key: Annotated[str, Depends(key)]) -> list[str]:
            told.append(scopes.scope_str)
            scopes.scopes.append("mine alone")
            return scopes.scopes

        async def reader(scopes: Annotated[list[str], Security(caller, scopes=["read"])]) -> list[str]:
            return scopes

        @router.get(
            "/", dependencies=[Security(caller, scopes=["all"]), Depends(HTTPBearer(auto_error=False))]
        )
        async def root(
            a: Annotated[list[str], Security(reader, scopes=["a", "b"])],
            b: Annotated[list[str], Security(reader, scopes=["b", "a"])],
            c: Annotated[list[str], Depends(caller)],
        ) -> list[list[str]]:
            return [a, b, c]

    twins = Twins(declare)
    for _ in range(2):
        answered = await twins.same(Asked(headers=[("x-key", "k")]))
    assert answered.told == ["all", "a b read", "", "response"]
    await twins.same(Asked(), 401)


async def test_a_parameter_of_a_dependency_and_a_body_in_it() -> None:
    def declare(router: APIRouter, told: Told) -> None:
        async def of(item_id: int, note: Annotated[str, Body()], x_one: Annotated[int, Header()] = 1) -> str:
            return f"{item_id} {note} {x_one}"

        @router.post("/{item_id}")
        async def root(item_id: str, text: Annotated[str, Depends(of)], more: Annotated[int, Body()]) -> Any:
            return [item_id, text, more]

    twins = Twins(declare)
    assert (await twins.same(Asked.json({"note": "n", "more": 1}, path="/3"))).json() == ["3", "3 n 1", 1]
    await twins.same(Asked.json({"note": 1}, path="/x", **{"x-one": "x"}), 422)
    await twins.same(Asked("POST", "/3"), 422)


async def test_ordinary_functions_run_in_threads_with_the_requests_context() -> None:
    variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="none")

    def declare(router: APIRouter, told: Told) -> None:
        async def setting() -> None:
            variable.set("set")

        def reading(func: str = "f", args: str = "a") -> str:
            with pytest.raises(RuntimeError):
                asyncio.get_running_loop()
            return variable.get() + func + args

        @router.get("/", dependencies=[Depends(setting)])
        def root(a: Annotated[str, Depends(reading)], func: str = "g", function: str = "h") -> list[str]:
            with pytest.raises(RuntimeError):
                asyncio.get_running_loop()
            return [a, variable.get(), func, function]

    twins = Twins(declare)
    assert twins.reasons == [None]
    await twins.ask(Asked())


@pytest.mark.parametrize("kind", ["coroutine", "function", "async generator", "generator"])
async def test_no_more_at_once_than_is_said(kind: str) -> None:
    """The limit is of the declaration, whichever request holds it."""
    lock = threading.Lock()
    now, most = 0, 0

    def enter(by: int) -> int:
        nonlocal now, most
        with lock:
            now += by
            most = max(most, now)
        return now

    async def coroutine() -> None:
        enter(1)
        await asyncio.sleep(0.01)
        enter(-1)

    def function() -> None:
        enter(1)
        time.sleep(0.01)
        enter(-1)

    async def async_generator() -> AsyncIterator[None]:
        enter(1)
        await asyncio.sleep(0.01)
        yield
        enter(-1)

    def generator() -> Iterator[None]:
        enter(1)
        time.sleep(0.01)
        yield
        enter(-1)

    functions = [coroutine, function, async_generator, generator]
    chosen = functions[["coroutine", "function", "async generator", "generator"].index(kind)]

    def declare(router: APIRouter, told: Told) -> None:
        @router.get("/", dependencies=[Depends(chosen, max_concurrency=2)])
        async def root() -> None: ...

    twins = Twins(declare)
    assert twins.reasons == [None]
    async with client(twins.apps[CompiledRoute]) as caller, anyio.create_task_group() as group:
        for _ in range(6):
            group.start_soon(caller.get, "/")
    assert (now, most) == (0, 2)


@pytest.mark.parametrize("kind", [APIRoute, CompiledRoute])
async def test_what_yields_is_closed_in_full_when_its_request_is_cancelled(kind: type[APIRoute]) -> None:
    happened: list[str] = []
    begun = anyio.Event()

    async def slowly() -> AsyncIterator[None]:
        try:
            yield
        finally:
            await asyncio.sleep(0.01)
            happened.append("closed")

    app = FastAPI()
    app.router.route_class = kind

    @app.get("/", dependencies=[Depends(slowly), Depends(slowly, scope="function")])
    async def root() -> None:
        begun.set()
        await anyio.sleep_forever()

    async with client(app) as caller, anyio.create_task_group() as group:
        group.start_soon(caller.get, "/")
        await begun.wait()
        group.cancel_scope.cancel()
    assert happened == ["closed", "closed"]
