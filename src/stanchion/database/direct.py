"""Direct: ready statements on the driver's own connections, out of the engine's pool."""

import asyncio
import sqlite3
import threading
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import anyio
from sqlalchemy.engine import URL, Dialect
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.pool import Pool, PoolProxiedConnection, QueuePool
from sqlalchemy.util import greenlet_spawn

from stanchion.database.failures import (
    DatabaseBusyError,
    DatabaseUnavailableError,
    busy_of_driver,
    translated,
)
from stanchion.database.group_writer import GroupWriter
from stanchion.database.lending import LendingPool, Loan
from stanchion.database.listeners import count
from stanchion.database.loop_reader import LoopReader
from stanchion.database.places import Places
from stanchion.database.ready import Ready
from stanchion.database.telling import Telling
from stanchion.database.turns import Turns
from stanchion.database.wakes import CHANNEL, SILENT

Rows = Sequence[Any]

_NOTIFY = "SELECT set_config('synchronous_commit', 'off', true), pg_notify($1, $2)"
"""A NOTIFY's COMMIT would wait for the disk like any other, and it has nothing that must survive."""


class Direct:
    """Runs statements that SQLAlchemy has compiled before, each a transaction of its own.

    Neither a session nor a cursor is made for them. Where somebody listens to the engine's statements
    (telemetry, tests), they go through SQLAlchemy, and are told. What the database refuses is no error
    here: whoever asked, asks again in a session, which knows what it means.
    """

    def __init__(self, engine: AsyncEngine, reader: AsyncEngine, url: URL, turns: Turns) -> None:
        self._engine = engine.sync_engine
        self.dialect: Dialect = self._engine.dialect
        """What statements are compiled for."""
        self._reader = reader
        self._is_sqlite = url.get_backend_name() == "sqlite"
        self._loop_reader = LoopReader(url) if self._is_sqlite else None
        self._group_writer = GroupWriter(url, turns) if self._is_sqlite else None
        self._places_of = threading.local()  # each thread has a loop of its own
        self._refusals, self._gives_up = _errors(self._is_sqlite)
        self._telling = Telling(self._notify)
        self._tells = not self._is_sqlite and not self._engine.get_execution_options().get(SILENT)
        # What listens by now is ours.
        self._preparing = self._count_preparing()

    def tell(self, topic: str) -> None:
        """Wake those who wait for a topic, which what `write` has committed belongs to.

        On SQLite nothing: the file tells of each commit.
        """
        if self._tells:
            self._telling.tell(topic)

    async def fetch(self, ready: Ready, values: Mapping[str, Any], *, is_short: bool = False) -> Rows | None:
        """Return the rows of a statement that reads, None where the database refuses it.

        One that `is_short` by its construction, a row by its key or a page along an index, is read in the
        event loop on SQLite. Raises UnavailableError (503) where the database does not answer, or all its
        connections are taken for as long as a session would wait for one.
        """
        try:
            parameters = ready.parameters(values)
        except (ValueError, TypeError, OverflowError):  # a value that its column's type cannot hold
            return None
        if self._is_watched:
            return await self._told(ready.sql, parameters)
        if is_short and self._loop_reader is not None and not self._is_prepared:
            try:
                return self._loop_reader.fetch(ready.sql, parameters)
            except self._refusals:
                pass  # it would wait, or it is long: a thread has the time
        return await self._pooled(ready.sql, parameters)

    async def write(self, steps: Sequence[Ready], values: Mapping[str, Any]) -> Rows | None:
        """Return the rows of statements that write, durable by then; None where one of them was refused.

        They are one transaction, on PostgreSQL one statement. Each is given the first row of those before it,
        by places: `row_0`, `row_1`; the last that returns rows gives those of the whole. Raises
        DatabaseUnavailableError (503) where nobody knows whether it was written, and DatabaseBusyError (503)
        where a lock or a connection was not to be had in time: a session would wait for it once more.
        """
        if self._is_watched or (self._is_sqlite and self._is_prepared):
            return None
        if self._group_writer is not None:
            try:
                rows: Rows = await self._group_writer.write(partial(_written, steps, values))
            except (ValueError, TypeError, *_SQLITE_REFUSALS) as exc:
                if (busy := busy_of_driver(exc)) is not None:
                    raise busy from exc
                return None
            return rows
        (ready,) = steps
        try:
            parameters = ready.parameters(values)
        except (ValueError, TypeError, OverflowError):
            return None
        return await self._pooled(ready.sql, parameters, writing=True)

    async def close(self) -> None:
        """Close the connections that are beside the pool; what comes next opens them again."""
        await self._telling.close()
        if self._loop_reader is not None:
            self._loop_reader.close()
        if self._group_writer is not None:
            await self._group_writer.close()

    @property
    def _is_watched(self) -> bool:
        told: Any = self._engine.dispatch
        heard = count(
            told.before_cursor_execute,
            told.after_cursor_execute,
            told.before_execute,
            told.after_execute,
            told.engine_connect,
        )
        # Of ours there is one on SQLite alone, which begins; another may prepare the transaction.
        return bool(heard or (not self._is_sqlite and count(told.begin)))

    @property
    def _is_prepared(self) -> bool:
        """Tell whether somebody prepares the pool's connections: those beside it would be without that."""
        return self._count_preparing() != self._preparing

    def _count_preparing(self) -> int:
        return count(self._engine.pool.dispatch.connect)

    async def _notify(self, topic: str) -> None:
        await self._pooled(_NOTIFY, [CHANNEL, topic])

    async def _pooled(self, sql: str, parameters: Sequence[Any], *, writing: bool = False) -> Rows | None:
        # More than the pool keeps would be opened, and closed when they come back: to wait is shorter.
        places = self._places()
        if not places.take():
            try:
                await places.wait(self._patience)
            except TimeoutError as exc:
                raise DatabaseBusyError from exc
        try:
            return await self._on_connection(sql, parameters, writing=writing)
        finally:
            places.give_back()

    @property
    def _patience(self) -> float | None:
        """How many seconds a session would wait for a connection."""
        pool = self._engine.pool
        return pool.timeout() if isinstance(pool, QueuePool) else None

    def _places(self) -> Places:
        pool = self._engine.pool
        known: tuple[Pool, Places] | None = getattr(self._places_of, "known", None)
        if known is None or known[0] is not pool:  # the engine has another after `dispose`
            known = pool, Places(pool.size() if isinstance(pool, QueuePool) else 1)
            self._places_of.known = known
        return known[1]

    async def _on_connection(
        self, sql: str, parameters: Sequence[Any], *, writing: bool = False
    ) -> Rows | None:
        pool = self._engine.pool
        connection: Loan | PoolProxiedConnection | None = None
        if isinstance(pool, LendingPool):
            connection = pool.lend()
        if connection is None:
            with translated():
                connection = await greenlet_spawn(pool.connect)
        driver: Any = connection.driver_connection
        busy: DatabaseBusyError | None = None
        try:
            if self._is_sqlite:
                rows: Rows | None = await driver.execute_fetchall(sql, parameters)
            else:
                rows = await driver.fetch(sql, *parameters)
        except self._gives_up as exc:
            connection.invalidate()
            raise DatabaseUnavailableError from exc
        except self._refusals as exc:
            if writing and driver.is_closed():  # it may have been committed before the connection was lost
                connection.invalidate()
                raise DatabaseUnavailableError from exc
            rows = None
            if (busy := busy_of_driver(exc)) is not None:
                busy.__cause__ = exc
        except asyncio.CancelledError:
            await _cut_off(connection)
            raise
        except BaseException:  # nobody knows what the connection is in
            connection.invalidate()
            raise
        if not (isinstance(connection, Loan) and connection.give_back()):
            # Where those of sessions have filled the pool, this one is closed, which takes time.
            with anyio.CancelScope(shield=True):
                await greenlet_spawn(connection.close)
        if busy is not None:
            raise busy
        return rows

    async def _told(self, sql: str, parameters: Sequence[Any]) -> Rows | None:
        try:
            async with self._reader.connect() as connection:
                return (await connection.exec_driver_sql(sql, tuple(parameters))).all()
        except DBAPIError:
            return None


async def _cut_off(connection: Loan | PoolProxiedConnection) -> None:
    """End a connection whose statement nobody waits for any more: the database is told, and stops."""
    # A task of its own: who is cancelled once may be cancelled again, and its place would be lost.
    ending = asyncio.create_task(greenlet_spawn(connection.invalidate))
    _endings.add(ending)
    ending.add_done_callback(_endings.discard)
    with anyio.CancelScope(shield=True):
        await asyncio.wait([ending])  # what a listener raises there is told when the task is gone


_endings: set[asyncio.Task[None]] = set()
"""Those that are not done: the event loop alone would not hold them."""


def _written(steps: Sequence[Ready], values: Mapping[str, Any], connection: sqlite3.Connection) -> Rows:
    rows: Rows = ()
    given = dict(values)
    for step in steps:
        found = connection.execute(step.sql, step.parameters(given)).fetchall()
        if found:
            rows = found
            given |= {f"row_{number}": value for number, value in enumerate(found[0])}
    return rows


Errors = tuple[type[Exception], ...]

_SQLITE_REFUSALS = (sqlite3.Error, OverflowError, UnicodeEncodeError)


def _errors(is_sqlite: bool) -> tuple[Errors, Errors]:
    """Return what a driver raises for a statement that is refused, and for one that took too long."""
    if is_sqlite:
        return _SQLITE_REFUSALS, ()
    # Optional: only the postgres extra brings the driver.
    import asyncpg

    return (asyncpg.PostgresError, asyncpg.InterfaceError, OSError), (
        asyncpg.QueryCanceledError,
        TimeoutError,
    )
