"""A client of a feed, in this process: it reads as fast as it is let, and knows what it has read."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from fastapi import FastAPI
from starlette.types import Message

LONG = 20.0
"""Seconds after which a test has failed."""


@dataclass(frozen=True)
class Read:
    """An event as a client reads it."""

    id: str
    event: str
    data: Any


class Follower:
    """One request to a feed. `hold` lets it take nothing more, as a client does that does not read."""

    def __init__(self, app: FastAPI, path: str, query: str = "", **headers: str) -> None:
        self.app, self.path, self.query = app, path, query
        self.headers = [
            (name.lower().replace("_", "-").encode(), value.encode()) for name, value in headers.items()
        ]
        self.status, self.sent = 0, b""
        self.answered: dict[str, str] = {}
        self.is_ended = False
        self.is_broken = False
        self.hold = asyncio.Event()
        self.hold.set()
        self._left, self._news = asyncio.Event(), asyncio.Event()
        self.scope: dict[str, Any] = {}

    async def run(self) -> None:
        self.scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "method": "GET",
            "path": self.path,
            "raw_path": self.path.encode(),
            "query_string": self.query.encode(),
            "headers": self.headers,
            "state": {},
        }
        asked = False

        async def receive() -> Message:
            nonlocal asked
            if not asked:
                asked = True
                return {"type": "http.request", "body": b"", "more_body": False}
            await self._left.wait()
            return {"type": "http.disconnect"}

        async def send(message: Message) -> None:
            if message["type"] == "http.response.start":
                self.status = message["status"]
                self.answered = {name.decode(): value.decode() for name, value in message["headers"]}
            else:
                await self.hold.wait()
                if self.is_broken:
                    raise OSError("the client has left")
                self.sent += message.get("body", b"")
                self.is_ended = not message.get("more_body", False)
            self._news.set()

        try:
            await self.app(self.scope, receive, send)
        finally:
            self.is_ended = True
            self._news.set()

    def leave(self) -> None:
        self._left.set()

    @property
    def blocks(self) -> list[dict[str, str]]:
        """What stands between empty lines: the fields of each, and the comment as `""`."""
        whole = self.sent.decode().split("\n\n")[:-1]
        return [dict(line.split(": ", 1) for line in block.split("\n")) for block in whole]

    @property
    def read(self) -> list[Read]:
        """The events that have arrived, `reset` among them."""
        return [
            Read(block.get("id", ""), block["event"], json.loads(block["data"]))
            for block in self.blocks
            if "data" in block
        ]

    @property
    def keys(self) -> list[str]:
        return [one.data["key"] for one in self.read]

    @property
    def last_id(self) -> str:
        """What a browser would send: the last `id`, also of a block that is no event."""
        return [block["id"] for block in self.blocks if "id" in block][-1]

    @property
    def problem(self) -> Any:
        return json.loads(self.sent)

    async def until(self, holds: Callable[["Follower"], object]) -> "Follower":
        async with asyncio.timeout(LONG):
            while not holds(self):
                self._news.clear()
                await self._news.wait()
        return self

    async def has(self, count: int) -> "Follower":
        """Wait until so many events have arrived."""
        return await self.until(lambda one: len(one.read) >= count)


@asynccontextmanager
async def following(app: FastAPI, path: str, query: str = "", **headers: str) -> AsyncIterator[Follower]:
    """Follow a feed in this block, from its beginning or its refusal on; leave it at the end."""
    follower = Follower(app, path, query, **headers)
    running = asyncio.create_task(follower.run())
    try:
        await follower.until(lambda one: one.sent or one.is_ended)
        yield follower
    finally:
        follower.hold.set()
        follower.leave()
        async with asyncio.timeout(LONG):
            await running
