"""EventStream: the response that a client reads for as long as it is there."""

import asyncio
import math
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import AbstractAsyncContextManager, suppress

import anyio
import structlog
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from stanchion.database import Database
from stanchion.errors import DomainError
from stanchion.events import log as changes
from stanchion.events.frames import RESET, frame, heartbeat, hello
from stanchion.events.log import Position
from stanchion.events.reader import Reader
from stanchion.events.subscriber import CHUNK, Subscriber

_MOST = 100
"""Events of the past that are read together."""
_PATIENCE = 5.0
"""Seconds that a client has to take the end of its stream."""
_AGAIN = 300.0
"""Seconds after which a stream ends where a dependency says what may be seen: it is asked again."""

log = structlog.stdlib.get_logger("stanchion.events")

Put = Callable[[bytes], Awaitable[None]]
Following = Callable[[], AbstractAsyncContextManager[Reader]]


class EventStream(Response):
    """Server-Sent Events: what a path operation returns that depends on `Events.subscription`.

    No generator: what it holds is given back when the call ends, however that is.
    """

    media_type = "text/event-stream"

    def __init__(
        self,
        database: Database,
        following: Following,
        subscriber: Subscriber,
        after: Position | None = None,
        *,
        every: float = 15.0,
        status_code: int = 200,  # FastAPI reads the document's from here
    ) -> None:
        self.status_code = status_code
        self.background = None
        self._database, self._following, self._subscriber = database, following, subscriber
        self._after, self._every = after, every
        self._is_left = False
        # Nobody keeps it, and a proxy does not gather it (nginx knows the second).
        self.init_headers({"Cache-Control": "no-store", "X-Accel-Buffering": "no"})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send events until the client has left, the server stops, or the subscriber is closed.

        Raises FeedNotReadyError (503) before the first byte.
        """
        subscriber = self._subscriber
        async with self._following() as reader:
            # One task more for each client, and no group of tasks, which would cost as much again.
            leaving = asyncio.create_task(self._wait_until_left(receive))
            try:
                with anyio.CancelScope() as sending:
                    subscriber.on_close = sending.cancel
                    await self._send_all(reader, send)
            except OSError:  # what a server raises whose client has left
                self._is_left = True
            except DomainError as exc:  # the past cannot be read now: the client comes back for it
                log.warning("broken_off", error=exc.code)
            finally:
                subscriber.on_close = None
                reader.leave(subscriber)
                leaving.cancel()
        if not self._is_left:
            with anyio.move_on_after(_PATIENCE):
                await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _wait_until_left(self, receive: Receive) -> None:
        with suppress(OSError):
            while (await receive())["type"] != "http.disconnect":
                pass
        self._is_left = True
        self._subscriber.close()

    async def _send_all(self, reader: Reader, send: Send) -> None:
        async def put(chunk: bytes) -> None:
            await send({"type": "http.response.body", "body": chunk, "more_body": True})

        # What is committed from here on is told, so it must be before the client hears of a beginning.
        position = self._after
        if position is None:
            position = reader.position
            reader.join(self._subscriber)
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        await put(hello(position))
        if self._after is not None:
            await self._catch_up(reader, self._after.place, put)
        await self._go_on(reader, put)

    async def _catch_up(self, reader: Reader, place: int, put: Put) -> None:
        """Send what came after a place, and join the reader where it stands by then."""
        subscriber, is_joined = self._subscriber, False
        while not is_joined:
            upto = reader.position.place
            # So few are read at once, and nothing lies between them and what the reader tells from here on.
            is_joined = upto - place <= _MOST
            if is_joined:
                reader.join(subscriber)
            async with self._database.read() as session:
                batch = await changes.between(session, place, upto, subscriber.audience.topic, _MOST)
            if batch.has_hole(place):
                await put(RESET)
            frames = [frame(event) for event in batch.events if subscriber.audience.admits(event)]
            for chunk in chunks(frames):
                await put(chunk)
            place = batch.events[-1].id if len(batch.events) == _MOST else upto

    async def _go_on(self, reader: Reader, put: Put) -> None:
        until = time.monotonic() + _AGAIN if self._subscriber.audience.sees is not None else math.inf
        while time.monotonic() < until:
            chunk = await self._subscriber.next(self._every)
            if self._subscriber.is_closed:
                return
            await put(chunk or heartbeat(self._stands(reader)))

    def _stands(self, reader: Reader) -> Position:
        """Return up to where there is nothing more for this client: without an await since it was asked.

        That is where the reader stands, or where the client has come in a process that is ahead of it.
        """
        if self._after is None or reader.position.place > self._after.place:
            return reader.position
        return self._after


def chunks(frames: Iterable[bytes]) -> Iterator[bytes]:
    """Join frames to chunks of a bounded size, or of one frame."""
    found: list[bytes] = []
    for one in frames:
        if found and sum(map(len, found)) + len(one) > CHUNK:
            yield b"".join(found)
            found = []
        found.append(one)
    if found:
        yield b"".join(found)
