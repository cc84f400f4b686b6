"""Events: what has changed is told with the write, and given to whoever follows."""

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Any

import structlog
from fastapi import Depends, Header, Query, Request
from pydantic import BaseModel, Field
from pydantic_core import to_json
from sqlalchemy.ext.asyncio import AsyncSession

from stanchion import tickets
from stanchion.caller import Caller
from stanchion.database import Database
from stanchion.database.changes import Change, append, trim, trim_past
from stanchion.database.direct import Direct
from stanchion.errors import UnavailableError
from stanchion.events import log as changes
from stanchion.events.errors import FeedNotReadyError, PositionGoneError
from stanchion.events.log import Position
from stanchion.events.reader import Reader
from stanchion.events.stream import EventStream
from stanchion.events.subscriber import Active, Audience, Subscriber
from stanchion.signature import with_parameters

Dependency = Callable[..., Any]

_KIND = re.compile(r"[a-z][a-z0-9_]{0,49}", re.ASCII)
_RESERVED = frozenset({"reset", "message", "error", "open"})
"""`reset` is the feed's own; the others EventSource has."""
_READY = 10.0
"""Seconds that a stream waits for the reader of this process."""
_TRIM_EVERY = 256
"""Writes to a trim: where nobody follows, no reader does it. A trim deletes more than that."""
_TRIMMED = 500
"""Events that are deleted together."""

log = structlog.stdlib.get_logger("stanchion.events")


class Ticket(BaseModel):
    """What a browser's EventSource, which sends no header, says who it is with."""

    ticket: str = Field(description="For the URL of the feed: `?ticket=...`.", examples=["q1w2e3..."])
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Visibility:
    """Who may see a row, where that is no matter of an owner: `Visibility("team_id", get_my_teams)`.

    `column` names what is kept with each event. `sees` is a dependency that returns the values of it that the
    caller may see.
    """

    column: str
    sees: Dependency

    def of(self, row: Any) -> str | None:
        """Return what is kept with an event of this row."""
        value = getattr(row, self.column)
        return None if value is None else str(value)


class Events:
    """The change log of a database and its feed, for one process: made once, beside the Database.

        events = Events(database)

        @app.post("/words/{word}")
        async def write(word: str, session: SessionDep) -> None:
            ...
            await events.append(session, "word", "created", word, {"word": word})

        @app.get("/words/events", response_class=EventStream)
        async def follow(stream: Annotated[EventStream, Depends(events.subscription("word"))]) -> EventStream:
            return stream

    Events are kept for `max_age`, and no more than `max_count` of them: who comes back later than
    that starts anew. A stream sends a sign of life every `heartbeat` seconds; every `recheck` seconds it
    is asked whether the key is still good. A ticket opens streams for `ticket_lifetime`.
    """

    def __init__(
        self,
        database: Database,
        *,
        max_age: timedelta = timedelta(days=7),
        max_count: int = 100_000,
        heartbeat: float = 15.0,
        recheck: float = 30.0,
        ticket_lifetime: timedelta = timedelta(minutes=5),
    ) -> None:
        self.database = database
        self._max_age, self._max_count = max_age, max_count
        self._heartbeat, self._recheck, self._ticket_lifetime = heartbeat, recheck, ticket_lifetime
        self._reader: Reader | None = None
        self._running: asyncio.Task[None] | None = None
        self._followers = 0
        self._appended = 0
        self._is_trimming = False

    async def append(
        self,
        session: AsyncSession,
        topic: str,
        kind: str,
        key: object,
        data: Any,
        *,
        version: int | None = None,
        owner_id: int | None = None,
        visibility: str | None = None,
        caller: Caller | None = None,
    ) -> None:
        """Tell that a row has changed, in the transaction that changes it.

        Call it after the statement that wrote the row: that one holds its lock, so that its events have
        the order of its versions. `kind` is `created`, `updated`, `deleted`, or a word of your own; `data`
        is what followers get, anything that Pydantic writes as JSON. Raises ValueError for a kind that is
        no small word.
        """
        change = Change(str(key), to_json(data).decode(), version, owner_id, visibility)
        await self.append_all(session, topic, kind, [change], caller=caller)

    async def append_all(
        self,
        session: AsyncSession,
        topic: str,
        kind: str,
        changes: Sequence[Change],
        *,
        caller: Caller | None = None,
    ) -> None:
        """Tell of many rows: one statement, however many. Raises ValueError as `append` does."""
        if not _KIND.fullmatch(kind) or kind in _RESERVED:
            raise ValueError(f"{kind!r} is no kind of event: a small word, and none of {sorted(_RESERVED)}.")
        await append(session, topic, kind, changes, caller=caller)
        if self._count(len(changes)):
            await self._trim(session, at_once=max(_TRIMMED, 2 * len(changes)))

    def appended(self, direct: Direct) -> None:
        """Count an event that was written with its row, and has committed; once in a while, trim.

        Nobody waits for that: it is done in the background, one at a time.
        """
        if self._count(1) and not self._is_trimming:
            self.database.background(self._trim_past(direct), name="stanchion.trim")

    def _count(self, more: int) -> bool:
        """Count events that were written; tell whether whoever has written these is to trim."""
        before, self._appended = self._appended, self._appended + more
        return before // _TRIM_EVERY != self._appended // _TRIM_EVERY

    def subscription(
        self,
        topic: str,
        *,
        caller: Dependency | None = None,
        owned: bool = False,
        visible: Dependency | None = None,
    ) -> Callable[..., Any]:
        """Return a dependency that gives the stream of a topic, which the path operation returns.

        `caller` says who is asking; a KeyGuard takes a ticket too. `owned` leaves the events whose
        `owner_id` is the caller's user. `visible` is a dependency that returns the visibilities that the
        caller may see: such a stream ends every five minutes, and it is asked again when the client is back.

        Raises PositionGoneError (410) for a `Last-Event-ID` of which nobody knows what came after it.
        """
        if owned and caller is None:
            raise ValueError("A feed of what a caller owns needs to know who is asking: give `caller`.")
        active: Active | None = getattr(caller, "active", None)

        async def subscription(
            request: Request,
            _caller: Caller | None = None,
            _visible: Collection[Any] | None = None,
            **_documented: Any,
        ) -> EventStream:
            audience = Audience(
                topic,
                owned,
                _caller.user_id if owned and _caller else None,
                None if _visible is None else frozenset(str(one) for one in _visible if one is not None),
            )
            tickets.take(request)
            after = await self._asked_for(request)
            subscriber = Subscriber(audience, _caller, active, after=0 if after is None else after.place)
            return EventStream(self.database, self._following, subscriber, after, every=self._heartbeat)

        asked = {"_caller": caller, "_visible": visible}
        found: dict[str, Any] = {
            name: Annotated[Any, Depends(one)] for name, one in asked.items() if one is not None
        }
        documented: dict[str, Any] = {"_last_event_id": _HEADER, "_last_event_id_of_url": _QUERY}
        if caller is not None:
            documented = {"_ticket": _TICKET, **documented}
        return with_parameters(
            subscription, {"request": Request, **found, **documented}, optional=documented.keys()
        )

    def ticket(self, *, caller: Dependency) -> Callable[..., Any]:
        """Return a dependency that gives a Ticket, which a POST below the feed's path returns.

        The ticket of `POST /words/events/ticket` is for `GET /words/events`, and for whoever asked for it. A
        key that may only read gets one; not where the router asks the same `caller` before, of every POST.
        """

        async def ticket(request: Request, _caller: Any, _reads: None) -> Ticket:
            path = request.scope["path"].rstrip("/").rpartition("/")[0]
            text, expires_at = tickets.issue(request, path, _caller, self._ticket_lifetime)
            return Ticket(ticket=text, expires_at=expires_at)

        # In this order: what the caller is asked for depends on what this is.
        asked = {
            "_reads": Annotated[None, Depends(tickets.reads)],
            "_caller": Annotated[Any, Depends(caller)],
        }
        return with_parameters(ticket, {"request": Request, **asked})

    def lag(self) -> float:
        """Return for how many seconds events that this process follows have waited; 0.0 where none does."""
        return 0.0 if self._reader is None else self._reader.lag

    async def _asked_for(self, request: Request) -> Position | None:
        # A browser that connects again sends the header; the URL has what it began with.
        text = request.headers.get("Last-Event-ID") or request.query_params.get("last_event_id")
        if not text:
            return None
        position = changes.parsed(text)
        if position is not None:
            async with self.database.read() as session:
                if await changes.is_there(session, position):
                    return position
        raise PositionGoneError

    @asynccontextmanager
    async def _following(self) -> AsyncIterator[Reader]:
        """Give the reader, which runs while somebody follows. Raises FeedNotReadyError (503)."""
        if self._reader is None or self._running is None or self._running.done():
            self._reader = Reader(self.database, self._tend, every=self._recheck)
            self._running = self.database.background(self._reader.run(), name="stanchion.events")
            self._followers = 0
        reader, running = self._reader, self._running
        self._followers += 1
        try:
            try:
                async with asyncio.timeout(_READY):
                    await reader.ready.wait()
            except TimeoutError:
                raise FeedNotReadyError from None
            yield reader
        finally:
            # No await: this may be a cancellation, which would end it.
            if running is self._running:
                self._followers -= 1
                if not self._followers:
                    running.cancel()
                    self._reader = self._running = None

    async def _tend(self) -> float:
        async with self.database.transaction() as session:
            trimmed = await self._trim(session)
        return 0.5 if trimmed == _TRIMMED else self._recheck

    async def _trim_past(self, direct: Direct) -> None:
        limits: dict[str, Any] = {"max_age": self._max_age, "max_count": self._max_count}
        self._is_trimming = True
        try:
            if not await trim_past(direct, **limits, at_once=_TRIMMED):
                await self._tend()  # a session tells what the database has against it
        except UnavailableError as exc:  # another trim will come
            log.warning("not_trimmed", error=exc.code)
        except Exception as exc:
            log.error("not_trimmed", exc_info=exc)
        finally:
            self._is_trimming = False

    async def _trim(self, session: AsyncSession, at_once: int = _TRIMMED) -> int:
        trimmed = await trim(session, max_age=self._max_age, max_count=self._max_count, at_once=at_once)
        if trimmed:
            log.debug("trimmed", events=trimmed)
        return trimmed


_HEADER = Annotated[
    str | None,
    Header(
        alias="Last-Event-ID",
        description="The `id` of the last event that arrived: what came after it is sent first.",
    ),
]
_QUERY = Annotated[
    str | None,
    Query(alias="last_event_id", description="The same, for a client that cannot send the header."),
]
_TICKET = Annotated[
    str | None,
    Query(
        alias=tickets.PARAMETER,
        description="Of `POST .../ticket`, in place of a key: a browser's EventSource sends no header.",
    ),
]
