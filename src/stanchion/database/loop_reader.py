"""Short reads of a SQLite file in the event loop itself: a thread would take longer to be told of them."""

import sqlite3
import threading
from collections.abc import Sequence
from typing import Any

from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite
from sqlalchemy.engine import URL

from stanchion.database.sqlite import lower

_STEP = 10_000
"""Instructions of SQLite's machine from one look at the length of a read to the next."""
_LONGEST = 5
"""Steps of a read: some milliseconds. One that was taken for short and is not ends there."""


class LoopReader:
    """Reads on a connection of the thread's own, which waits for nobody and refuses a write.

    In WAL mode a reader waits for no writer. Raises sqlite3.Error where it would have to wait, where the
    read is long, and for what SQLite refuses: then a thread has the time.
    """

    def __init__(self, url: URL) -> None:
        (path,), options = SQLiteDialect_pysqlite().create_connect_args(url)
        self._path, self._options = path, {**options, "timeout": 0, "isolation_level": None}
        self._own = threading.local()
        self._all: list[sqlite3.Connection] = []
        self._steps = 0

    def fetch(self, sql: str, parameters: Sequence[Any]) -> list[Any]:
        """Return the rows of a statement."""
        connection: sqlite3.Connection = getattr(self._own, "connection", None) or self._connect()
        self._steps = 0
        return connection.execute(sql, parameters).fetchall()

    def close(self) -> None:
        """Close what is open; the next read opens it again."""
        self._own = threading.local()
        while self._all:
            self._all.pop().close()

    def _connect(self) -> sqlite3.Connection:
        connection: sqlite3.Connection = sqlite3.connect(
            self._path, **{**self._options, "check_same_thread": False}
        )
        self._all.append(connection)
        connection.execute("PRAGMA query_only = 1")
        connection.create_function("stanchion_lower", 1, lower, deterministic=True)
        connection.set_progress_handler(self._is_long, _STEP)
        self._own.connection = connection
        return connection

    def _is_long(self) -> bool:
        self._steps += 1
        return self._steps > _LONGEST
