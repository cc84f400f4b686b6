"""A subscriber: whom an event is for, and what waits to be sent to one client."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass

from stanchion.caller import Caller
from stanchion.database.changes import Event

MOST_EVENTS = 1024
MOST_BYTES = 1024 * 1024
"""What may wait for one client; beyond it, the client is too slow."""
CHUNK = 64 * 1024
"""Bytes that are sent together."""

Active = Callable[[Collection[Caller]], Awaitable[set[Caller]]]
EVERYBODY = "everybody"
Channel = tuple[str, int | str | None]


@dataclass(frozen=True, slots=True)
class Audience:
    """Whose events a subscriber gets: of a topic, where it is `owned` those of `owner_id` alone (None is
    the service's own), and of these those whose visibility is in `sees`, where that is given.
    """

    topic: str
    owned: bool = False
    owner_id: int | None = None
    sees: frozenset[str] | None = None

    @property
    def channel(self) -> Channel:
        """Return the channel that it listens on: whom an event is certainly not for is not asked."""
        return self.topic, self.owner_id if self.owned else EVERYBODY

    def admits(self, event: Event) -> bool:
        """Tell whether an event may be seen."""
        return (
            event.topic == self.topic
            and (not self.owned or event.owner_id == self.owner_id)
            and (self.sees is None or event.visibility in self.sees)
        )


class Subscriber:
    """One client: what it may see, and the frames that wait for it.

    `active` returns those of some callers whose keys are still good. `after` is the place up to which its
    client has read, in another process perhaps, that was quicker than this one. `on_close` is called when
    it is closed, which may be while its client does not take what is being sent.
    """

    __slots__ = (
        "_bytes",
        "_frames",
        "_news",
        "active",
        "after",
        "audience",
        "caller",
        "is_closed",
        "on_close",
    )

    def __init__(
        self,
        audience: Audience,
        caller: Caller | None = None,
        active: Active | None = None,
        *,
        after: int = 0,
    ) -> None:
        self.audience, self.caller, self.active, self.after = audience, caller, active, after
        self.is_closed = False
        self.on_close: Callable[[], object] | None = None
        self._frames: deque[bytes] = deque()
        self._bytes = 0
        self._news = asyncio.Event()

    def wants(self, event: Event) -> bool:
        """Tell whether an event is news to its client, who may see it."""
        return event.id > self.after and self.audience.admits(event)

    def offer(self, frame: bytes) -> bool:
        """Add a frame; False, and it is closed, where more waits for the client than may."""
        if self._frames and (len(self._frames) >= MOST_EVENTS or self._bytes + len(frame) > MOST_BYTES):
            self.close()
            return False
        self._frames.append(frame)
        self._bytes += len(frame)
        self._news.set()
        return True

    def close(self) -> None:
        """End it: what waits is dropped, and the client asks for it again when it is back."""
        self.is_closed = True
        self._frames.clear()
        self._bytes = 0
        self._news.set()
        if self.on_close is not None:
            self.on_close()

    async def next(self, seconds: float) -> bytes:
        """Return frames to send; none when it is closed, or after so many seconds."""
        if not self._frames and not self.is_closed:
            try:
                async with asyncio.timeout(seconds):
                    await self._news.wait()
            except TimeoutError:
                pass  # it may have come at the same time
        self._news.clear()
        chunk = [self._frames.popleft()] if self._frames else []
        size = sum(map(len, chunk))
        while self._frames and size + len(self._frames[0]) <= CHUNK:
            chunk.append(self._frames.popleft())
            size += len(chunk[-1])
        self._bytes -= size
        return b"".join(chunk)
