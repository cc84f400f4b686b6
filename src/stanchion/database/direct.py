"""Direct: ready statements on the driver's own connections, out of the engine's pool."""

import asyncio
import sqlite3
from collections.abc import Mapping, Sequence
from typing import Any
from weakref import WeakKeyDictionary

import anyio
from sqlalchemy.engine import URL, Dialect
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.pool import QueuePool
from sqlalchemy.util import greenlet_spawn

from stanchion.database.failures import DatabaseUnavailableError, translated
from stanchion.database.loop_reader import LoopReader
from stanchion.database.ready import Ready

Rows = Sequence[Any]


class Direct:
    """Runs statements that SQLAlchemy has compiled before, each a transaction of its own.

    Neither a session nor a cursor is made for them. Where somebody listens to the engine's statements
    (telemetry, tests), they go through SQLAlchemy, and are told. What the database refuses is no error
    here: whoever asked, asks again in a session, which knows what it means.
    """

    def __init__(self, engine: AsyncEngine, url: URL) -> None:
        self._engine = engine.sync_engine
        self._reader = engine
        self._is_sqlite = url.get_backend_name() == "sqlite"
        self._loop_reader = LoopReader(url) if self._is_sqlite else None
        self._turns: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Semaphore] = WeakKeyDictionary()
        self._refusals, self._gives_up = _errors(self._is_sqlite)

    @property
    def dialect(self) -> Dialect:
        """Return the dialect that statements are compiled for."""
        return self._engine.dialect

    async def fetch(self, ready: Ready, values: Mapping[str, Any], *, is_short: bool = False) -> Rows | None:
        """Return the rows of a statement that reads, None where the database refuses it.

        One that `is_short` by its construction, a row by its key or a page along an index, is read in the
        event loop on SQLite. Raises UnavailableError (503) where the database does not answer.
        """
        try:
            parameters = ready.parameters(values)
        except (ValueError, TypeError, OverflowError):  # a value that its column's type cannot hold
            return None
        if self._is_watched:
            return await self._told(ready.sql, parameters)
        if is_short and self._loop_reader is not None:
            try:
                return self._loop_reader.fetch(ready.sql, parameters)
            except self._refusals:
                pass  # it would wait, or it is long: a thread has the time
        return await self._pooled(ready.sql, parameters)

    def close(self) -> None:
        """Close the connections that are beside the pool; the next read opens them again."""
        if self._loop_reader is not None:
            self._loop_reader.close()

    @property
    def _is_watched(self) -> bool:
        listened = self._engine.dispatch
        return bool(
            listened.before_cursor_execute
            or listened.after_cursor_execute
            or listened.before_execute
            or listened.after_execute
        )

    async def _pooled(self, sql: str, parameters: Sequence[Any]) -> Rows | None:
        # More than the pool keeps would be opened, and closed when they come back: to wait is shorter.
        async with self._turn():
            return await self._on_connection(sql, parameters)

    def _turn(self) -> asyncio.Semaphore:
        loop = asyncio.get_running_loop()
        turn = self._turns.get(loop)
        if turn is None:
            pool = self._engine.pool
            size = pool.size() if isinstance(pool, QueuePool) else 1
            turn = self._turns[loop] = asyncio.Semaphore(size)
        return turn

    async def _on_connection(self, sql: str, parameters: Sequence[Any]) -> Rows | None:
        with translated(reading=True):
            connection = await greenlet_spawn(self._engine.pool.connect)
        driver: Any = connection.driver_connection
        try:
            if self._is_sqlite:
                rows: Rows | None = await driver.execute_fetchall(sql, parameters)
            else:
                rows = await driver.fetch(sql, *parameters)
        except self._gives_up as exc:
            connection.invalidate()
            raise DatabaseUnavailableError from exc
        except self._refusals:
            rows = None
        except BaseException:  # also a cancellation: nobody knows what the connection is in
            connection.invalidate()
            raise
        # Where those of sessions have filled the pool, this one is closed, which takes a greenlet and time.
        with anyio.CancelScope(shield=True):
            await greenlet_spawn(connection.close)
        return rows

    async def _told(self, sql: str, parameters: Sequence[Any]) -> Rows | None:
        try:
            async with self._reader.connect() as connection:
                return (await connection.exec_driver_sql(sql, tuple(parameters))).all()
        except DBAPIError:
            return None


Errors = tuple[type[Exception], ...]


def _errors(is_sqlite: bool) -> tuple[Errors, Errors]:
    """Return what a driver raises for a statement that is refused, and for one that took too long."""
    if is_sqlite:
        return (sqlite3.Error, OverflowError, UnicodeEncodeError), ()
    # Optional: only the postgres extra brings the driver.
    import asyncpg

    return (asyncpg.PostgresError, asyncpg.InterfaceError, OSError), (
        asyncpg.QueryCanceledError,
        TimeoutError,
    )
