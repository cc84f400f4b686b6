"""Two apps of one declaration: one of FastAPI's own routes, one of compiled ones. They answer alike."""

import json
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import anyio
from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError, ResponseValidationError
from fastapi.routing import APIRoute
from starlette.types import Message

from stanchion.routing import CompiledRoute, match_once, survey

Told = list[Any]
Declare = Callable[[APIRouter, Told], None]
"""Declares path operations on a router. What they append to the list is compared too."""


@dataclass(frozen=True)
class Asked:
    """A request, as a server hands it to an app."""

    method: str = "GET"
    path: str = "/"
    query: str = ""
    headers: Sequence[tuple[str, str]] = ()
    body: bytes | None = None
    root_path: str = ""

    @classmethod
    def json(cls, value: Any, *, path: str = "/", method: str = "POST", **headers: str) -> "Asked":
        sent = {"content-type": "application/json", **headers}
        return cls(method, path, headers=tuple(sent.items()), body=json.dumps(value).encode())


@dataclass
class Answered:
    """All that can be seen of an answer: what was sent, what was raised, and what the app told of itself."""

    sent: list[Message] = field(default_factory=list)
    raised: tuple[str, str] | None = None
    told: Told = field(default_factory=list)

    @property
    def status(self) -> int:
        status: int = self.sent[0]["status"]
        return status

    @property
    def body(self) -> bytes:
        return b"".join(message.get("body", b"") for message in self.sent[1:])

    def json(self) -> Any:
        return json.loads(self.body)


async def show(request: Request, error: Exception) -> Response:
    """Answer with all that an error of validation holds, where it happened too."""
    assert isinstance(error, RequestValidationError | ResponseValidationError)
    place = {"file": error.endpoint_file, "line": error.endpoint_line, "name": error.endpoint_function}
    place["path"] = error.endpoint_path
    return Response(repr((error.errors(), error.body, place)), status_code=422)


class Twins:
    """Both apps, and what is asked of both."""

    def __init__(self, declare: Declare, *, include: dict[str, Any] | None = None, **options: Any) -> None:
        """`include` includes the router in the app with these options; else its routes are the app's own."""
        self.told: dict[type[APIRoute], Told] = {APIRoute: [], CompiledRoute: []}
        self.apps = {kind: self._app(kind, declare, include, options) for kind in self.told}

    def _app(
        self, kind: type[APIRoute], declare: Declare, include: dict[str, Any] | None, options: dict[str, Any]
    ) -> FastAPI:
        app = FastAPI(openapi_url=None, **options)
        app.add_exception_handler(RequestValidationError, show)
        app.add_exception_handler(ResponseValidationError, show)
        app.router.route_class = kind
        router = app.router if include is None else APIRouter(route_class=kind)
        declare(router, self.told[kind])
        if include is not None:
            app.include_router(router, **include)
        if kind is CompiledRoute:
            match_once(app)
        return app

    @property
    def reasons(self) -> list[str | None]:
        """Why each path operation is not compiled, or None where it is."""
        return [surveyed.reason for surveyed in survey(self.apps[CompiledRoute])]

    async def ask(self, asked: Asked) -> Answered:
        """Return what both answer; fails where they do not answer alike."""
        own, compiled = [await answer(self.apps[kind], asked, self.told[kind]) for kind in self.told]
        assert compiled == own, asked
        return compiled

    async def same(self, asked: Asked, status: int = 200) -> Answered:
        """Ask both, all of whose path operations are compiled, for what they answer with this status."""
        assert set(self.reasons) == {None}
        answered = await self.ask(asked)
        assert answered.status == status, answered
        return answered


async def answer(app: FastAPI, asked: Asked, told: Told) -> Answered:
    """Return what an app answers; what it tells meanwhile is appended to the list."""
    told.clear()
    answered = Answered()
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": asked.method,
        "path": asked.path,
        "raw_path": asked.path.encode(),
        "query_string": asked.query.encode(),
        "root_path": asked.root_path,
        "scheme": "http",
        "server": ("test", 80),
        "client": ("test", 1),
        "headers": [
            (name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in asked.headers
        ],
    }

    async def body() -> AsyncIterator[Message]:
        yield {"type": "http.request", "body": asked.body or b"", "more_body": False}
        await anyio.sleep_forever()

    received = body()

    async def receive() -> Message:
        return await anext(received)

    async def send(message: Message) -> None:
        if message["type"] == "http.response.start":
            told.append("response")
        answered.sent.append(message)

    try:
        await app(scope, receive, send)
    except Exception as error:
        answered.raised = (type(error).__name__, str(error))
    answered.told = list(told)
    return answered
