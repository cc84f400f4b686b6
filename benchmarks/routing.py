"""What a request costs behind a compiled route, beside FastAPI's own route of the same signature.

Both apps are called as a server calls them, in this process, in turns; what is measured is the CPU of this
process, and of each app the cheapest round counts, so that what else the machine does falls on neither.
Prints microseconds and their ratios, and exits with 1 where the first costs over 0.5 times FastAPI's.

    python benchmarks/routing.py [--requests 400] [--rounds 25]
"""

import argparse
import asyncio
import gc
import sys
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Depends, FastAPI, Header, Query, Response
from fastapi.routing import APIRoute
from pydantic import BaseModel, Field
from starlette.types import Message

from stanchion.routing import CompiledRoute, survey

LIMIT = 0.5


class Page(BaseModel):
    limit: int = Field(50, ge=1, le=100)
    sort: str = "id"
    status: str | None = None


class Item(BaseModel):
    id: int
    title: str
    done: bool = False


class NewItem(BaseModel):
    title: str = Field(min_length=1, max_length=200)
    done: bool = False


async def get_session() -> AsyncIterator[dict[str, int]]:
    yield {"session": 1}


async def get_user(session: Annotated[dict[str, int], Depends(get_session)]) -> int:
    return session["session"]


def in_a_thread() -> int:
    return 1


Session = Annotated[dict[str, int], Depends(get_session)]
User = Annotated[int, Depends(get_user)]


@dataclass(frozen=True)
class Case:
    """A path operation, and the request that it is asked with."""

    name: str
    declare: Callable[[APIRouter], None]
    path: str
    query: bytes = b""
    body: bytes = b""


def usual(router: APIRouter) -> None:
    @router.get("/items/{item_id}")
    async def read(item_id: int, page: Annotated[Page, Query()], session: Session, user: User) -> Item:
        return Item(id=item_id, title=page.sort)


def nothing(router: APIRouter) -> None:
    @router.get("/nothing")
    async def read() -> Response:
        return Response(b"{}", media_type="application/json")


def one_parameter(router: APIRouter) -> None:
    @router.get("/items/{item_id}")
    async def read(item_id: int) -> Item:
        return Item(id=item_id, title="title")


def parameters(router: APIRouter) -> None:
    @router.get("/items")
    async def read(
        limit: int = 50,
        sort: str = "id",
        tags: Annotated[list[str] | None, Query()] = None,
        x_user: Annotated[str, Header()] = "nobody",
        accept: Annotated[str | None, Header()] = None,
    ) -> list[Item]:
        return [Item(id=limit, title=sort)]


def body(router: APIRouter) -> None:
    @router.post("/items", status_code=201)
    async def create(item: NewItem, user: User) -> Item:
        return Item(id=user, title=item.title)


def coroutines(router: APIRouter) -> None:
    async def first() -> int:
        return 1

    async def second(first: Annotated[int, Depends(first)], q: int = 2) -> int:
        return first + q

    @router.get("/items")
    async def read(
        first: Annotated[int, Depends(first)], second: Annotated[int, Depends(second)], response: Response
    ) -> Item:
        response.headers["ETag"] = '"1"'
        return Item(id=first, title="title")


def threads(router: APIRouter) -> None:
    @router.get("/items/{item_id}")
    def read(item_id: int, page: Annotated[Page, Query()], one: Annotated[int, Depends(in_a_thread)]) -> Item:
        return Item(id=item_id, title=page.sort)


def no_model(router: APIRouter) -> None:
    @router.get("/items/{item_id}")
    async def read(item_id: int):  # type: ignore[no-untyped-def] # no response model, as in many apps
        return {"id": item_id, "title": "title"}


def invalid(router: APIRouter) -> None:
    usual(router)


QUERY = b"limit=20&sort=title"
CASES = [
    Case("query model, path, two dependencies", usual, "/items/5", QUERY),
    Case("a response as it is", nothing, "/nothing"),
    Case("a path parameter", one_parameter, "/items/5"),
    Case("query and headers", parameters, "/items", QUERY + b"&tags=a&tags=b"),
    Case("a body and two dependencies", body, "/items", body=b'{"title": "title"}'),
    Case("coroutines and a header", coroutines, "/items"),
    Case("ordinary functions, in threads", threads, "/items/5", QUERY),
    Case("no response model", no_model, "/items/5"),
    Case("what is refused with a 422", invalid, "/items/x", b"limit=x"),
]


def scope_of(case: Case) -> dict[str, Any]:
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "POST" if case.body else "GET",
        "path": case.path,
        "raw_path": case.path.encode(),
        "query_string": case.query,
        "root_path": "",
        "scheme": "http",
        "server": ("127.0.0.1", 8000),
        "client": ("127.0.0.1", 50000),
        "headers": [
            (b"host", b"127.0.0.1:8000"),
            (b"user-agent", b"benchmark"),
            (b"accept", b"*/*"),
            (b"content-type", b"application/json"),
        ],
    }


async def serve(app: FastAPI, case: Case, requests: int) -> list[Message]:
    """Ask the app that often, and return what it sent last."""
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": case.body, "more_body": False}

    async def send(message: Message) -> None:
        sent.append(message)

    for _ in range(requests):
        sent.clear()
        await app(scope_of(case), receive, send)
    return sent


def app_of(case: Case, kind: type[APIRoute]) -> FastAPI:
    app = FastAPI()
    app.router.route_class = kind
    case.declare(app.router)
    return app


async def measure(case: Case, requests: int, rounds: int) -> tuple[float, float]:
    """Return the CPU of a request in microseconds: FastAPI's own route, the compiled one."""
    apps = app_of(case, APIRoute), app_of(case, CompiledRoute)
    assert all(one.compiled for one in survey(apps[1]))
    answers = [await serve(app, case, 1) for app in apps]
    assert answers[0] == answers[1]
    best = [float("inf")] * 2
    gc.collect()
    gc.freeze()
    for _ in range(rounds):
        for number, app in enumerate(apps):
            start = time.process_time()
            await serve(app, case, requests)
            best[number] = min(best[number], (time.process_time() - start) / requests * 1e6)
    return best[0], best[1]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--requests", type=int, default=400)
    parser.add_argument("--rounds", type=int, default=25)
    options = parser.parse_args()
    print(f"{'µs of CPU a request':38}{'FastAPI':>10}{'compiled':>10}{'ratio':>8}")
    ratios = []
    for case in CASES:
        own, compiled = asyncio.run(measure(case, options.requests, options.rounds))
        ratios.append(compiled / own)
        print(f"{case.name:38}{own:10.1f}{compiled:10.1f}{ratios[-1]:8.2f}", flush=True)
    if ratios[0] > LIMIT:
        sys.exit(f"the first costs {ratios[0]:.2f} times FastAPI's, and may cost {LIMIT}")


if __name__ == "__main__":
    main()
