"""The one reader of a process: it follows the log, and gives each event to whoever may see it."""

import asyncio
import random
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable

import structlog

from stanchion.caller import Caller
from stanchion.database import Database
from stanchion.database.changes import TOPIC, Event
from stanchion.errors import DomainError
from stanchion.events import log as changes
from stanchion.events.frames import RESET, frame
from stanchion.events.gate import Gate
from stanchion.events.log import Batch, Position
from stanchion.events.subscriber import EVERYBODY, Active, Channel, Subscriber

_MOST = 256
"""Events that are read together: fewer than may wait for a subscriber."""
_POLL = 2.0
"""Seconds until the reader looks by itself: what wakes it is a hint."""
_HELD = (0.005, 0.25)
"""Seconds between two looks at a transaction that is still open: at first, and at most."""
_RETRY = (0.1, 5.0)
"""Seconds until a database that did not answer is asked again: at first, and at most."""
_LAGS = 10.0
"""Seconds after which it is logged that events wait."""

log = structlog.stdlib.get_logger("stanchion.events")


class Reader:
    """Follows the log from where it stands, for as long as `run` runs.

    `every` so many seconds keys are asked about, and `tend` is awaited: it returns when it wants to be again.
    `ready` is set when `position` is known: where all that came before is settled.
    """

    def __init__(self, database: Database, tend: Callable[[], Awaitable[float]], *, every: float) -> None:
        self.ready = asyncio.Event()
        self._database = database
        self._tend, self._every = tend, every
        self._gate: Gate | None = None
        self._channels: dict[Channel, set[Subscriber]] = defaultdict(set)
        self._behind_since: float | None = None
        self._is_told = False

    @property
    def position(self) -> Position:
        """Return up to where the log was passed on; there is none before `ready`."""
        assert self._gate is not None
        return self._gate.position

    @property
    def lag(self) -> float:
        """Return for how many seconds events have waited, or the database was away; 0.0 for neither."""
        return 0.0 if self._behind_since is None else time.monotonic() - self._behind_since

    def join(self, subscriber: Subscriber) -> None:
        """Give a subscriber what comes after the position."""
        self._channels[subscriber.audience.channel].add(subscriber)

    def leave(self, subscriber: Subscriber) -> None:
        """Give it no more."""
        channel = subscriber.audience.channel
        self._channels[channel].discard(subscriber)
        if not self._channels[channel]:
            del self._channels[channel]

    async def run(self) -> None:
        """Follow the log until this is cancelled, whatever the database does."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._forever(self._follow, "not_followed"))
            tasks.create_task(self._forever(self._keep, "not_tended"))

    async def _forever(self, work: Callable[[], Awaitable[None]], failure: str) -> None:
        delay = _RETRY[0]
        while True:
            began = time.monotonic()
            try:
                await work()
            except DomainError as exc:  # busy or away: it passes
                log.warning(failure, error=exc.code)
            except Exception as exc:
                log.error(failure, exc_info=exc)
            if time.monotonic() - began > _RETRY[1]:
                delay = _RETRY[0]
            await asyncio.sleep(delay)
            delay = min(2 * delay, _RETRY[1])

    async def _keep(self) -> None:
        pause = self._every
        while True:
            await asyncio.sleep(pause * random.uniform(0.75, 1.25))  # noqa: S311 - spreads processes
            await self._close_refused()
            pause = min(self._every, await self._tend())

    async def _follow(self) -> None:
        self._behind()
        async with self._database.wakes.listening(TOPIC) as wake:
            gate = self._gate = self._gate or await self._begin()
            self.ready.set()
            held = _HELD[0]
            while True:
                batch = await self._read(gate)
                if gate.is_held:
                    self._behind()
                    await wake.wait(held)
                    held = min(2 * held, _HELD[1])
                    continue
                held, self._behind_since, self._is_told = _HELD[0], None, False
                if len(batch.events) < _MOST:
                    await wake.wait(_POLL)

    async def _begin(self) -> Gate:
        """Return a gate at the newest event, once nothing before it can come any more."""
        async with self._database.read() as session:
            position = await changes.last(session)
        is_ordered = self._database.engine.dialect.name == "sqlite"
        if not is_ordered:
            number = await self._number()
            held = _HELD[0]
            while True:
                async with self._database.read() as session:
                    if await changes.horizon(session) >= number:
                        break
                await asyncio.sleep(held)
                held = min(2 * held, _HELD[1])
        return Gate(position, is_ordered=is_ordered)

    async def _number(self) -> int:
        async with self._database.transaction() as session:
            return await changes.number(session)

    async def _read(self, gate: Gate) -> Batch:
        before = gate.position.place
        async with self._database.read() as session:
            batch = await changes.after(session, before, _MOST)
        if batch.has_hole(before):
            log.warning("events_missed", after=before, first=batch.first)
            for subscriber in self._subscribers():
                subscriber.offer(RESET)
        # In one go, without an await: a subscriber that joins sees a position and all that comes after it.
        for event in gate.passed(batch):
            self._tell(event)
        if gate.wants_fence:
            gate.fence(await self._number())
        return batch

    def _tell(self, event: Event) -> None:
        found = [
            subscriber
            for channel in ((event.topic, EVERYBODY), (event.topic, event.owner_id))
            for subscriber in self._channels.get(channel, ())
            if subscriber.wants(event)
        ]
        if not found:
            return
        encoded = frame(event)
        for subscriber in found:
            if not subscriber.is_closed and not subscriber.offer(encoded):
                log.info("too_slow", topic=event.topic)

    def _behind(self) -> None:
        """Note that events wait, and log it once when they have for long."""
        self._behind_since = self._behind_since or time.monotonic()
        if self.lag > _LAGS and not self._is_told:
            self._is_told = True
            log.warning("events_wait", seconds=round(self.lag, 1))

    def _subscribers(self) -> list[Subscriber]:
        return [subscriber for channel in self._channels.values() for subscriber in channel]

    async def _close_refused(self) -> None:
        """Close the streams whose key was revoked since they were opened."""
        asked: dict[Active, set[Caller]] = defaultdict(set)
        for subscriber in self._subscribers():
            if subscriber.active is not None and subscriber.caller is not None:
                asked[subscriber.active].add(subscriber.caller)
        for active, callers in asked.items():
            # Of those that were asked about: another may have come in between.
            refused = callers - await active(callers)
            for subscriber in self._subscribers():
                if subscriber.active == active and subscriber.caller in refused:
                    log.info("closed", reason="key_not_valid")
                    subscriber.close()
