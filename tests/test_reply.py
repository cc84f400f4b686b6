"""The reply while the transaction is open: who sees it, and who may answer in its place."""

from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from fastapi import APIRouter, Depends, FastAPI, Request, Response
from fastapi.routing import APIRoute

from stanchion.reply import AnsweredError, ReplyRoute, before_commit
from stanchion.stack import function_stack
from stanchion.testing import client

pytestmark = pytest.mark.anyio


class NotedRoute(APIRoute):
    """A route class of an app's own: the two go together."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def handler(request: Request) -> Response:
            response = await handle(request)
            response.headers["X-Noted"] = "yes"
            return response

        return handler


class NotedReplyRoute(ReplyRoute, NotedRoute): ...


async def test_it_is_seen_whole_and_before_the_stack_closes() -> None:
    happened: list[Any] = []

    async def keep(response: Response) -> None:
        happened.append((response.status_code, bytes(response.body), response.headers["X-Noted"]))

    async def kept(request: Request) -> None:
        function_stack(request).callback(happened.append, "closed")
        before_commit(request, keep)

    router = APIRouter(route_class=NotedReplyRoute)

    @router.post("/", status_code=201, dependencies=[Depends(kept)])
    async def create() -> dict[str, int]:
        happened.append("returned")
        return {"a": 1}

    app, outer = FastAPI(), APIRouter()
    outer.include_router(router, prefix="/a")
    app.include_router(outer, prefix="/b")
    async with client(app) as caller:
        response = await caller.post("/b/a/")
    assert response.json() == {"a": 1}
    assert happened == ["returned", (201, b'{"a":1}', "yes"), "closed"]


async def test_a_dependency_answers_and_the_path_operation_does_not_run() -> None:
    happened: list[str] = []

    async def answer(request: Request) -> None:
        function_stack(request).callback(happened.append, "closed")
        raise AnsweredError(Response("here", 203))

    app = FastAPI()
    app.router.route_class = ReplyRoute

    @app.post("/", dependencies=[Depends(answer)])
    async def create() -> None:
        happened.append("ran")

    async with client(app) as caller:
        response = await caller.post("/")
    assert (response.status_code, response.text, happened) == (203, "here", ["closed"])


async def test_what_a_keeper_raises_takes_the_replys_place() -> None:
    async def refuse(_: Response) -> None:
        raise LookupError("no room")

    async def kept(request: Request) -> None:
        before_commit(request, refuse)

    app = FastAPI()
    app.router.route_class = ReplyRoute

    @app.post("/", dependencies=[Depends(kept)])
    async def create() -> None: ...

    async with client(app) as caller:
        with pytest.raises(LookupError, match="no room"):
            await caller.post("/")
