"""Clients of a feed over bare sockets: thousands of them cost little, and one may read slowly."""

import asyncio
import json
import random
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

from tests.backend import Backend

PATH = "/api/todos/events"


async def connect(
    backend: Backend, since: str = "", limit: int = 2**16
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Ask for the feed, and return what comes."""
    address = urlsplit(backend.url)
    reader, writer = await asyncio.open_connection(address.hostname, address.port, limit=limit)
    fields = {"Host": address.netloc, "X-API-Key": backend.key} | ({"Last-Event-ID": since} if since else {})
    lines = [f"GET {PATH} HTTP/1.1", *(f"{name}: {value}" for name, value in fields.items()), "", ""]
    writer.write("\r\n".join(lines).encode())
    await writer.drain()
    return reader, writer


class Subscriber:
    """Reads the feed of whichever server answers, and goes on after each end where it was."""

    def __init__(self, servers: list[Backend]) -> None:
        self.servers = servers
        self.last = ""
        self.read: list[tuple[int, str, int | None]] = []
        """Of each event its place, key and version."""
        self.connected = 0
        self.reset = False

    async def run(self) -> None:
        while True:
            with suppress(OSError, asyncio.IncompleteReadError):
                reader, writer = await connect(random.choice(self.servers), self.last, limit=2**20)
                try:
                    await self._follow(reader)
                finally:
                    writer.close()
            await asyncio.sleep(random.uniform(0, 0.1))

    async def _follow(self, reader: asyncio.StreamReader) -> None:
        head = await reader.readline()
        if b" 503 " in head or not head:
            return
        assert b" 200 " in head, head
        self.connected += 1
        block: dict[str, str] = {}
        while line := await reader.readline():
            text = line.decode().rstrip("\r\n")
            if text:
                name, found, value = text.partition(": ")
                if found and name in ("id", "event", "data"):
                    block[name] = value
                continue
            self._take(block)
            block = {}

    def _take(self, block: dict[str, str]) -> None:
        self.last = block.get("id", self.last)
        if "data" not in block:
            return
        self.reset |= block["event"] == "reset"
        data: Any = json.loads(block["data"])
        self.read.append((int(block["id"].partition("-")[0]), data["key"], data["version"]))
