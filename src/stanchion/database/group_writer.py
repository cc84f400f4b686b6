"""Short writes to a SQLite file, committed together: what waits for the disk waits for it once."""

import asyncio
import queue
import sqlite3
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite
from sqlalchemy.engine import URL

from stanchion.database import sqlite
from stanchion.database.turns import Turns

Work = Callable[[sqlite3.Connection], Any]

_MOST = 200
"""Writes of one commit: other writers wait for it."""
_LONGEST_TURN = 0.1
"""Seconds for which the next commit waits at most until others have had their turn."""
_GAP = 0.2
"""How long the file is left to other processes between two commits, as a part of what the last one took.
One of six of their tries, 1 to 100 ms apart, is in it. What waits meanwhile shares the next commit."""
_LONGEST_END = 10.0
"""Seconds that `close` waits for the last commits; the thread writes on, for as long as the process lives."""


@dataclass(frozen=True, slots=True, eq=False)
class _Asked:
    work: Work
    loop: asyncio.AbstractEventLoop
    answer: "asyncio.Future[Any]"


class GroupWriter:
    """One connection and its thread, which takes all that waits, writes it, and commits once.

    Each write has a savepoint of its own: one that fails takes nothing of the others with it. It is
    answered when the commit is on the disk (`synchronous = FULL`). Between two commits others have their
    turn: those that wait in `turns`, and for a while those that nobody knows of.
    """

    def __init__(self, url: URL, turns: Turns) -> None:
        self._turns = turns
        (path,), options = SQLiteDialect_pysqlite().create_connect_args(url)
        self._path = path
        self._options = {
            **options,
            "timeout": sqlite.BUSY_TIMEOUT,
            "isolation_level": None,
            "check_same_thread": False,
        }
        self._asked: queue.SimpleQueue[_Asked | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._hand = threading.Lock()

    async def write(self, work: Work) -> Any:
        """Return what `work` returned, once it is durable.

        Raises what it raised, and sqlite3.Error where the commit failed: then nothing was written.
        """
        loop = asyncio.get_running_loop()
        asked = _Asked(work, loop, loop.create_future())
        with self._hand:
            self._asked.put(asked)
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(
                    target=self._run, args=[self._asked], name="stanchion.writer", daemon=True
                )
                self._thread.start()
        return await asked.answer

    async def close(self) -> None:
        """Write what waits, and end. The next write begins anew, with a thread of its own."""
        with self._hand:
            thread, self._thread = self._thread, None
            asked, self._asked = self._asked, queue.SimpleQueue()
        if thread is not None:
            asked.put(None)
            await asyncio.to_thread(thread.join, _LONGEST_END)

    def _run(self, asked: "queue.SimpleQueue[_Asked | None]") -> None:
        connection: sqlite3.Connection | None = None
        others_until = 0.0
        while (first := asked.get()) is not None:
            time.sleep(max(0.0, others_until - time.monotonic()))
            self._turns.let_others(_LONGEST_TURN)
            group = [first]
            ended = False
            while len(group) < _MOST and not asked.empty():
                more = asked.get()
                if more is None:
                    ended = True
                    break
                group.append(more)
            began = time.monotonic()
            try:
                if connection is None:
                    connection = self._opened()
                connection.execute("BEGIN IMMEDIATE")
                began = time.monotonic()
                answers = _written(connection, group)
            except Exception as exc:
                answers = [exc] * len(group)
            _answer(group, answers)
            if ended:
                break
            now = time.monotonic()
            others_until = now + min(_GAP * (now - began), _LONGEST_TURN)
        if connection is not None:
            connection.close()

    def _opened(self) -> sqlite3.Connection:
        connection: sqlite3.Connection = sqlite3.connect(self._path, **self._options)
        try:
            sqlite.prepare(connection)
        except BaseException:
            connection.close()
            raise
        return connection


def _written(connection: sqlite3.Connection, group: Sequence[_Asked]) -> list[Any]:
    """Write all in the open transaction, and commit. Returns for each what it returned, or its exception."""
    try:
        # Whoever has left by now, while it waited for the file, is owed nothing.
        answers = [None if one.answer.cancelled() else _alone(connection, one.work) for one in group]
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
    return answers


def _alone(connection: sqlite3.Connection, work: Work) -> Any:
    connection.execute("SAVEPOINT alone")
    try:
        answer = work(connection)
    except Exception as exc:
        if not connection.in_transaction:  # a full disk ends the whole transaction
            raise
        connection.execute("ROLLBACK TO alone")
        answer = exc
    connection.execute("RELEASE alone")
    return answer


def _answer(group: Sequence[_Asked], answers: Sequence[Any]) -> None:
    """Tell each loop once of all that is its own."""
    loops: dict[asyncio.AbstractEventLoop, list[tuple[asyncio.Future[Any], Any]]] = {}
    for one, answer in zip(group, answers, strict=True):
        loops.setdefault(one.loop, []).append((one.answer, answer))
    for loop, own in loops.items():
        with suppress(RuntimeError):  # it is closed: nobody waits there any more
            loop.call_soon_threadsafe(_set, own)


def _set(own: Sequence[tuple["asyncio.Future[Any]", Any]]) -> None:
    for future, answer in own:
        if future.done():  # its client has left
            continue
        if isinstance(answer, Exception):
            future.set_exception(answer)
        else:
            future.set_result(answer)
