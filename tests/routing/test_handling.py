"""One request without what FastAPI has around it: what goes wrong ends as it does with FastAPI."""

import asyncio
from collections.abc import AsyncIterator, Callable, Generator
from contextlib import asynccontextmanager
from typing import Annotated, Any

import anyio
import pytest
from fastapi import APIRouter, BackgroundTasks, Depends, FastAPI, HTTPException, Request, Response
from fastapi.responses import FileResponse, StreamingResponse
from starlette.background import BackgroundTask
from starlette.requests import ClientDisconnect
from starlette.types import Message, Receive, Scope, Send
from tests.routing.twins import Answered, Asked, Told, Twins

from stanchion.routing import CompiledRoute, shortcut
from stanchion.routing.handling import handle, handler_of
from stanchion.stack import FUNCTION_STACK, HANDLER_STACK, REQUEST_STACK

pytestmark = pytest.mark.anyio


class OwnError(Exception):
    """One that has a handler."""


@pytest.fixture
def handled(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The paths that were answered without FastAPI's own."""
    handled: list[str] = []

    async def noted(handler: Any, scope: Scope, *rest: Any) -> None:
        handled.append(scope["path"])
        await handle(handler, scope, *rest)

    monkeypatch.setattr(shortcut, "handle", noted)
    return handled


def opened(told: Told, name: str, ends: BaseException | None = None, *, swallows: bool = False) -> Any:
    async def opened() -> AsyncIterator[str]:
        try:
            yield name
        except BaseException as error:
            told.append(f"{name} sees {type(error).__name__}")
            if not swallows:
                raise
        finally:
            told.append(f"{name} ends")
            if ends is not None:
                raise ends

    return opened


def twins(declare: Callable[[APIRouter, Told], None], handler: Any = None) -> Twins:
    both = Twins(declare)
    for kind, app in both.apps.items():
        told = both.told[kind]

        async def shown(request: Request, error: Exception, told: Told = told) -> Response:
            told.append(f"handler of {type(error).__name__}")
            return Response(repr(error), status_code=418)

        app.add_exception_handler(OwnError, handler or shown)
    return both


def depending(path: str, **failing: Any) -> Callable[[APIRouter, Told], None]:
    """Declare one path operation with a dependency of each scope, which fails as is said."""

    def declare(router: APIRouter, told: Told) -> None:
        swallows = failing.get("swallows")
        before = opened(told, "function", failing.get("function"), swallows=swallows == "function")
        after = opened(told, "request", failing.get("late"), swallows=swallows == "request")

        @router.get(path)
        async def operation(
            request: Request,
            _before: Annotated[str, Depends(before, scope="function")],
            _after: Annotated[str, Depends(after, scope="request")],
        ) -> Response:
            last = opened(told, "last", failing.get("last"))
            await request.scope[HANDLER_STACK].enter_async_context(asynccontextmanager(last)())
            told.append("operation")
            if "operation" in failing:
                raise failing["operation"]
            background = failing.get("background")
            task = None if background is None else BackgroundTask(raises, background)
            if "stream" in failing:
                return StreamingResponse(chunks(failing["stream"]), background=task)
            return Response("whole", background=task)

    return declare


async def raises(error: BaseException) -> None:
    raise error


async def chunks(ends: BaseException | None) -> AsyncIterator[str]:
    yield "a"
    yield "b"
    if ends is not None:
        raise ends


FAILURES = [RuntimeError("unknown"), OwnError("known"), HTTPException(409, "known to FastAPI")]


@pytest.mark.parametrize("place", ["operation", "function", "late", "last", "background", "stream"])
@pytest.mark.parametrize("error", FAILURES, ids=lambda error: type(error).__name__)
async def test_a_failure_in_each_place(place: str, error: Exception, handled: list[str]) -> None:
    answered = await twins(depending("/a", **{place: error})).ask(Asked(path="/a"))
    assert handled == ["/a"]
    assert answered.told[0] == "operation"
    for name in ("function", "request", "last"):
        assert f"{name} ends" in answered.told
    is_answered = place in ("operation", "function") and type(error) is not RuntimeError
    assert (answered.raised is None) == is_answered


@pytest.mark.parametrize("failing", [{}, {"stream": None}], ids=["plain", "stream"])
async def test_what_is_opened_is_closed_in_its_order(failing: dict[str, Any], handled: list[str]) -> None:
    answered = await twins(depending("/a", **failing)).ask(Asked(path="/a"))
    assert answered.told == ["operation", "function ends", "response", "request ends", "last ends"]
    assert (answered.status, answered.raised, handled) == (200, None, ["/a"])


async def test_what_fails_while_a_failure_is_told(handled: list[str]) -> None:
    failing = {"operation": OwnError("first"), "function": OwnError("second"), "last": RuntimeError("third")}
    answered = await twins(depending("/a", **failing)).ask(Asked(path="/a"))
    assert answered.body == b"OwnError('second')"
    assert answered.raised == ("RuntimeError", "third")


@pytest.mark.parametrize(
    ("swallows", "raised"), [("function", "UnboundLocalError"), ("request", "FastAPIError")]
)
async def test_a_dependency_that_swallows_what_is_raised(
    swallows: str, raised: str, handled: list[str]
) -> None:
    answered = await twins(depending("/a", operation=OwnError(), swallows=swallows)).ask(Asked(path="/a"))
    assert answered.raised is not None
    assert answered.raised[0] == raised
    assert handled == ["/a"]


def failing_handler(error: BaseException | None) -> Any:
    async def handler(_: Request, __: Exception) -> None:
        if error is not None:
            raise error

    return handler


@pytest.mark.parametrize("error", [RuntimeError("worse"), OwnError("again"), HTTPException(409), None])
async def test_a_handler_that_raises_itself_or_answers_nothing(
    error: BaseException | None, handled: list[str]
) -> None:
    both = twins(depending("/a", operation=OwnError("first")), failing_handler(error))
    answered = await both.ask(Asked(path="/a"))
    assert handled == ["/a"]
    assert "last ends" in answered.told


@pytest.mark.parametrize("reads", [True, False])
async def test_a_handler_reads_the_body(reads: bool, handled: list[str]) -> None:
    """Whether the path operation has read it before, or not."""

    async def shown(request: Request, _: Exception) -> Response:
        return Response(repr(await request.json()), status_code=418)

    def by_hand(router: APIRouter, _: Told) -> None:
        @router.post("/a")
        async def operation(request: Request) -> None:
            if reads:
                await request.body()
            raise OwnError

    def by_fastapi(router: APIRouter, _: Told) -> None:
        @router.post("/a")
        async def operation(body: dict[str, int]) -> None:
            raise OwnError

    for declare in (by_hand, by_fastapi):
        answered = await twins(declare, shown).ask(Asked.json({"a": 1}, path="/a"))
        assert (answered.status, answered.body) == (418, b"{'a': 1}")
    assert handled == ["/a", "/a"]


async def test_a_handler_that_is_no_coroutine(handled: list[str]) -> None:
    def shown(_: Request, error: Exception) -> Response:
        return Response(str(error), status_code=418)

    answered = await twins(depending("/a", operation=OwnError("in a thread")), shown).ask(Asked(path="/a"))
    assert (answered.status, answered.body) == (418, b"in a thread")


async def test_responses_of_other_kinds(handled: list[str]) -> None:
    class Twofold(Response):
        async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
            await super().__call__(scope, receive, send)
            raise OwnError("after the end")

    def declare(router: APIRouter, told: Told) -> None:
        @router.get("/file")
        async def file() -> Response:
            return FileResponse(__file__, headers={"date": "now"})

        @router.get("/twofold")
        async def twofold() -> Response:
            return Twofold("a")

        @router.get("/tasks")
        def tasks(tasks: BackgroundTasks) -> str:
            tasks.add_task(told.append, "task")
            return "a"

    both = twins(declare)
    for path in ("/file", "/twofold", "/tasks"):
        await both.ask(Asked(path=path))
    assert handled == ["/file", "/twofold", "/tasks"]


async def test_a_handler_of_a_route_that_returns_nothing() -> None:
    """`request_response` would await it; so does this."""
    sent: list[Message] = []

    async def nothing(_: Request) -> Any:
        return None

    async def send(message: Message) -> None:
        sent.append(message)

    async def receive() -> Message:
        return {"type": "http.disconnect"}

    with pytest.raises(TypeError, match="NoneType"):
        await handle(nothing, {"type": "http", "headers": []}, receive, send)
    assert sent == []


def scope_of(path: str) -> Scope:
    return {
        "type": "http",
        "http_version": "1.1",
        "method": "GET",
        "path": path,
        "query_string": b"",
        "headers": [],
    }


@pytest.mark.parametrize("at", ["http.response.start", "http.response.body"])
@pytest.mark.parametrize("error", [OSError("gone"), OwnError("known")], ids=["unknown", "known"])
async def test_a_client_that_cannot_be_sent_to(at: str, error: Exception, handled: list[str]) -> None:
    both = twins(depending("/a"))
    ends: list[Answered] = []
    for kind, app in both.apps.items():
        answered = Answered(told=both.told[kind])

        async def send(message: Message, answered: Answered = answered) -> None:
            if message["type"] == at:
                raise error
            answered.sent.append(message)

        async def receive() -> Message:
            return {"type": "http.disconnect"}

        try:
            await app(scope_of("/a"), receive, send)
        except Exception as raised:
            answered.raised = (type(raised).__name__, str(raised))
        ends.append(answered)
    assert ends[0] == ends[1]
    seen = "RuntimeError" if type(error) is OwnError else "OSError"
    assert ends[1].told[-2:] == [f"last sees {seen}", "last ends"]
    assert handled == ["/a"]


@pytest.mark.parametrize("place", ["operation", "sending"])
async def test_a_request_that_is_cancelled_closes_what_it_opened(place: str, handled: list[str]) -> None:
    waiting: dict[str, anyio.Event] = {}

    def declare(router: APIRouter, told: Told) -> None:
        before, after = opened(told, "function"), opened(told, "request")

        @router.get("/a")
        async def operation(
            _before: Annotated[str, Depends(before, scope="function")],
            _after: Annotated[str, Depends(after, scope="request")],
        ) -> Response:
            if place == "operation":
                waiting["now"].set()
                await anyio.sleep_forever()
            return Response("a")

    both = twins(declare)
    for app in both.apps.values():
        waiting["now"] = anyio.Event()

        async def send(_: Message) -> None:
            waiting["now"].set()
            await anyio.sleep_forever()

        async def receive() -> Message:
            return {"type": "http.disconnect"}

        task = asyncio.create_task(app(scope_of("/a"), receive, send))
        await waiting["now"].wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    own, compiled = both.told.values()
    assert own == compiled
    assert compiled[-2:] == ["request sees CancelledError", "request ends"]
    assert handled == ["/a"]


async def test_a_request_that_is_thrown_away_closes_what_it_opened() -> None:
    """As one is whose server is gone: nobody waits for it."""

    def declare(router: APIRouter, told: Told) -> None:
        @router.get("/a")
        async def operation(_: Annotated[str, Depends(opened(told, "function"), scope="function")]) -> None:
            await Pause()

    both = twins(declare)
    for app in both.apps.values():

        async def none(*_: Any) -> Any: ...

        running: Any = app(scope_of("/a"), none, none)
        running.send(None)
        running.close()
    own, compiled = both.told.values()
    assert own == compiled == ["function sees GeneratorExit", "function ends"]


class Pause:
    def __await__(self) -> Generator[None]:
        yield


async def test_the_stacks_are_those_of_the_request(handled: list[str]) -> None:
    def declare(router: APIRouter, told: Told) -> None:
        @router.get("/a")
        async def operation(request: Request) -> list[bool]:
            names = (FUNCTION_STACK, REQUEST_STACK, HANDLER_STACK)
            for name in names:
                request.scope[name].callback(told.append, name)
            return [name in request.scope for name in names]

    answered = await twins(declare).ask(Asked(path="/a"))
    assert answered.told == [FUNCTION_STACK, "response", REQUEST_STACK, HANDLER_STACK]


async def test_a_client_that_leaves_in_the_middle_of_its_body(handled: list[str]) -> None:
    def declare(router: APIRouter, told: Told) -> None:
        @router.get("/a")
        async def operation(request: Request) -> None:
            try:
                await request.body()
            except ClientDisconnect:
                told.append("left")
                raise

    both = twins(declare)
    for app in both.apps.values():

        async def receive() -> Message:
            return {"type": "http.disconnect"}

        async def send(_: Message) -> None: ...

        with pytest.raises(ClientDisconnect):
            await app(scope_of("/a"), receive, send)
    assert list(both.told.values()) == [["left"], ["left"]]


def test_what_is_around_a_handler_is_left_to_fastapi() -> None:
    app = FastAPI()
    app.router.route_class = CompiledRoute

    @app.get("/a")
    async def operation() -> None: ...

    (route,) = [route for route in app.routes if isinstance(route, CompiledRoute)]
    assert handler_of(route.app) is not None
    for other in (operation, route, None):
        assert handler_of(other) is None
