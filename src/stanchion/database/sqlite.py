"""SQLite: connections for many readers and one writer at a time."""

import sqlite3
from collections.abc import Callable
from functools import partial
from typing import Any

import aiosqlite
import anyio
from sqlalchemy import event
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite
from sqlalchemy.engine import URL, Connection
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import ConnectionPoolEntry

from stanchion.database.lending import LendingPool, if_proven
from stanchion.database.turns import Turns

READ_ONLY = "stanchion_read_only"
"""The execution option that says that nothing will be written."""
BUSY_TIMEOUT = 5.0
"""Seconds that a writer waits for the one before it."""


def create_engine(url: URL, turns: Turns, **options: Any) -> AsyncEngine:
    """Return an engine that begins with BEGIN IMMEDIATE in its turn, or with BEGIN where READ_ONLY is set."""
    # isolation_level=None: sqlite3 begins nothing by itself.
    arguments = {"timeout": BUSY_TIMEOUT, "isolation_level": None, "async_creator_fn": _connect}
    engine = create_async_engine(url, connect_args=arguments, poolclass=if_proven(LendingPool), **options)
    event.listen(engine.sync_engine, "connect", _connected)
    event.listen(engine.sync_engine, "begin", partial(_begin, turns))
    return engine


def open_watch(url: URL) -> sqlite3.Connection:
    """Open the file for `PRAGMA data_version`: no thread, no transaction, and no waiting."""
    (path,), options = SQLiteDialect_pysqlite().create_connect_args(url)
    watch: sqlite3.Connection = sqlite3.connect(path, **{**options, "timeout": 0, "isolation_level": None})
    return watch


class _Connection(aiosqlite.Connection):
    """Ends the statement in hand before a cancellation, which could not stop its thread anyway.

    SQLAlchemy closes a connection that was cancelled in a statement, twice under anyio; the first
    close then waits for a thread that the second has ended, and the event loop never stops.
    Its thread holds up no process that ends without closing the pool.
    """

    def __init__(self, connector: Callable[[], sqlite3.Connection], iter_chunk_size: int) -> None:
        super().__init__(connector, iter_chunk_size)
        self._thread.daemon = True

    async def _execute(self, fn: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        with anyio.CancelScope(shield=True):
            return await super()._execute(fn, *args, **kwargs)  # type: ignore[no-untyped-call]


def _connect(path: str, **options: Any) -> _Connection:
    return _Connection(partial(sqlite3.connect, path, **options), iter_chunk_size=64)


def _connected(connection: Any, _: ConnectionPoolEntry) -> None:
    prepare(connection)


def prepare(connection: Any) -> None:
    """Make a new connection one of ours: WAL, commits that are on the disk, foreign keys, our functions."""
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode = WAL")
    cursor.execute("PRAGMA synchronous = FULL")
    cursor.execute("PRAGMA foreign_keys = ON")
    cursor.close()
    # What `stanchion.database.texts` compares with: SQLite's own lower() knows the letters of ASCII alone.
    connection.create_function("stanchion_lower", 1, lower, deterministic=True)


def lower(value: Any) -> Any:
    """Return a text in lower case, whatever its letters; anything else as it is."""
    return value.lower() if isinstance(value, str) else value


def _begin(turns: Turns, connection: Connection) -> None:
    read_only = connection.get_execution_options().get(READ_ONLY, False)
    # A transaction that was begun for reading and then writes may fail whatever the timeout is.
    connection.exec_driver_sql(f"PRAGMA query_only = {int(read_only)}")
    if read_only:
        connection.exec_driver_sql("BEGIN")
        return
    with turns.waiting():
        connection.exec_driver_sql("BEGIN IMMEDIATE")
