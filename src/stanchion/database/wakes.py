"""Wakes: whoever waits for what others commit, in this process or another, is woken when they have."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, closing
from typing import Any

import structlog
from sqlalchemy import ColumnElement, Connection, Engine, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from stanchion.database.failures import DatabaseUnavailableError

CHANNEL = "stanchion"
"""The channel of PostgreSQL; a notification's payload is the topic."""
_NOTIFIED = "stanchion_notified"
SILENT = "stanchion_silent"
"""The execution option of an engine on which nobody notifies."""
_SQLITE_INTERVAL = 0.03
"""Seconds between two looks at a file: 15 ms to wake on average, for 0.9 % of a core in an idle worker."""
_SILENT_INTERVAL = 0.25
"""Seconds until one who waits shall look by himself where nobody notifies."""
_RECONNECT = (0.1, 5.0)
"""Seconds until a lost connection is made again: at first, and at most."""

log = structlog.stdlib.get_logger("stanchion.database")

Listen = Callable[[Callable[[str | None], None]], Awaitable[None]]


class Wake:
    """One who waits: `await wake.wait(seconds)`."""

    def __init__(self, topic: str, longest: float | None) -> None:
        self.topic = topic
        self._longest = longest
        self._event = asyncio.Event()

    def set(self) -> None:
        """Wake, or let the next wait return at once."""
        self._event.set()

    async def wait(self, seconds: float) -> bool:
        """Return True when the topic may have news, False after so many seconds or fewer.

        A hint: it may come without a cause, and, where a connection was lost, not at all. So look
        each time, whichever it was.
        """
        if self._longest is not None:
            seconds = min(seconds, self._longest)
        try:
            async with asyncio.timeout(seconds):
                await self._event.wait()
        except TimeoutError:
            return False
        self._event.clear()
        return True


class Wakes:
    """The one listener of a process to its database, which runs while somebody waits.

    `listen` calls what it is given, with a topic or with None for all of them, until it is cancelled
    or loses its connection; None where there is nothing to listen to.
    """

    def __init__(self, listen: Listen | None) -> None:
        self._listen = listen
        self._waiting: set[Wake] = set()
        self._listener: asyncio.Task[None] | None = None

    @asynccontextmanager
    async def listening(self, topic: str) -> AsyncIterator[Wake]:
        """Wait in this block for a topic that `notify` was called with; on SQLite, for any commit."""
        wake = Wake(topic, None if self._listen else _SILENT_INTERVAL)
        self._waiting.add(wake)
        if self._listen and (self._listener is None or self._listener.done()):
            self._listener = asyncio.create_task(self._run(self._listen), name="stanchion.wakes")
        try:
            yield wake
        finally:
            self._waiting.discard(wake)
            if not self._waiting:
                await self._stop()

    async def _stop(self) -> None:
        listener, self._listener = self._listener, None
        if listener is not None:
            listener.cancel()
            await asyncio.wait([listener])

    async def _run(self, listen: Listen) -> None:
        delay = _RECONNECT[0]
        while True:
            began = asyncio.get_running_loop().time()
            try:
                await listen(self._wake)
            except (DatabaseUnavailableError, OSError, sqlite3.Error) as exc:
                log.warning("not_listening", error=type(exc).__name__)
            self._wake(None)
            if asyncio.get_running_loop().time() - began > _RECONNECT[1]:
                delay = _RECONNECT[0]  # it was there for a while: it may be back at once
            await asyncio.sleep(delay)
            delay = min(2 * delay, _RECONNECT[1])

    def _wake(self, topic: str | None) -> None:
        for wake in self._waiting:
            if topic is None or wake.topic == topic:
                wake.set()


async def listen_postgresql(
    connect: Callable[[], Awaitable[Any]], wake: Callable[[str | None], None]
) -> None:
    """LISTEN on a connection of its own until that is lost. `connect` gives a connection of asyncpg."""
    connection = await connect()
    lost = asyncio.Event()
    connection.add_termination_listener(lambda _: lost.set())
    try:
        await connection.add_listener(CHANNEL, lambda _, __, ___, topic: wake(topic))
        wake(None)  # for what came before
        await lost.wait()
    finally:
        connection.terminate()


async def watch_sqlite(connect: Callable[[], sqlite3.Connection], wake: Callable[[str | None], None]) -> None:
    """Ask for `PRAGMA data_version`, which each commit to the file changes, whichever process made it."""
    with closing(connect()) as connection:
        seen = None
        while True:
            # In the loop: it takes 3.5 µs, and looks at memory that all connections share.
            (version,) = connection.execute("PRAGMA data_version").fetchone()
            if version != seen:
                seen = version
                wake(None)
            await asyncio.sleep(_SQLITE_INTERVAL)


def is_told(session: AsyncSession) -> bool:
    """Tell whether a NOTIFY is of use: not on SQLite, nor where it is switched off."""
    return is_loud(session.get_bind())


def is_loud(bind: Engine | Connection) -> bool:
    """Tell the same of an engine."""
    return bind.dialect.name != "sqlite" and not bind.get_execution_options().get(SILENT)


def telling(topic: str) -> ColumnElement[None]:
    """Return what wakes those who wait for a topic: in a statement's RETURNING it costs no round trip more.

    PostgreSQL tells the same thing once for a transaction, however often it is said.
    """
    return func.pg_notify(CHANNEL, topic)


async def notify(session: AsyncSession, topic: str) -> None:
    """Wake those who wait for a topic when this transaction commits.

    One statement on PostgreSQL; none on SQLite, whose file tells of each commit. Called again in
    the same transaction, or savepoint, it does nothing.
    """
    if not is_told(session):
        return
    inner = session.sync_session.get_nested_transaction() or session.sync_session.get_transaction()
    asked, topics = session.info.get(_NOTIFIED, (None, ()))
    # A savepoint that is rolled back takes its notifications with it.
    topics = topics if asked is inner and inner is not None else ()
    if topic not in topics:
        await session.execute(select(telling(topic)))
        inner = session.sync_session.get_nested_transaction() or session.sync_session.get_transaction()
        session.info[_NOTIFIED] = (inner, (*topics, topic))
