"""LendingPool: SQLAlchemy's pool, which also lends a connection that lies idle, without a greenlet."""

from collections import deque
from typing import Any, cast

import sqlalchemy
from sqlalchemy.pool import AsyncAdaptedQueuePool, ConnectionPoolEntry
from sqlalchemy.util.queue import Empty, Full

from stanchion.database.idle import Idle
from stanchion.database.listeners import count

PROVEN_ON = ("2.1",)
"""The SQLAlchemy versions whose insides, those that a subclass of a pool meets, are known here."""


_DRIVER = "stanchion_driver"


class LendingPool(AsyncAdaptedQueuePool):
    """One pool for sessions, which take what `connect` gives, and for statements that leave no transaction.

    What those borrow is counted as theirs is.
    """

    _sqla_logger_namespace = "sqlalchemy.pool.impl.AsyncAdaptedQueuePool"  # whoever reads its log finds it
    _queue_class: Any = Idle
    listeners = 0
    """How many listen to what is taken out and comes back for us: they need not be told of a loan."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._doubted: deque[ConnectionPoolEntry] = deque()
        self._is_replaced = False

    def lend(self) -> "Loan | None":
        """Return an idle connection that can be used as it is, None where `connect` is to give one.

        So it is where none is idle, where the next one has to be asked or made anew, and where somebody
        is to be told: a listener, the log. To be called in the event loop, and `connect` right after it:
        that begins with the connection that was in doubt.
        """
        if self._pre_ping or self._recycle > -1 or self._is_heard:
            return None
        try:
            entry: Any = self._pool.get_nowait()
        except Empty:
            return None
        # Of a pool they are all _ConnectionRecord; what invalidates one of them, or all, is known there.
        driver = entry.info.get(_DRIVER)
        if driver is None:  # SQLAlchemy empties `info` with each new connection
            driver = entry.info[_DRIVER] = entry.driver_connection
        if entry._is_hard_or_soft_invalidated() or not self.is_sure(entry, driver):
            self._doubted.append(entry)
            return None
        return Loan(self, entry, driver)

    def takes_back(self, entry: ConnectionPoolEntry) -> bool:
        """Take one back to lie idle, or tell that it is too many: to close it takes a greenlet."""
        if self._is_replaced:
            return False
        try:
            self._pool.put_nowait(entry)
        except Full:
            return False
        return True

    def is_sure(self, entry: ConnectionPoolEntry, driver: Any) -> bool:
        """Tell whether one that lies idle leads to the database for certain, as to a file."""
        return True

    @property
    def _is_heard(self) -> bool:
        told: Any = self.dispatch
        return bool(
            count(told.checkout, told.checkin, told.reset) > self.listeners or self._should_log_debug()
        )

    def _do_get(self) -> ConnectionPoolEntry:
        try:
            return self._doubted.pop()
        except IndexError:
            return super()._do_get()

    def _do_return_conn(self, record: ConnectionPoolEntry) -> None:
        try:
            if self._is_replaced:  # its engine has another pool by now: nobody would take it out again
                record.close()
        finally:
            super()._do_return_conn(record)

    def recreate(self) -> AsyncAdaptedQueuePool:
        """Return the pool that the engine has from now on, as its `dispose` asks for."""
        self._is_replaced = True
        return cast("AsyncAdaptedQueuePool", super().recreate())


def if_proven(pool: type[LendingPool]) -> type[AsyncAdaptedQueuePool]:
    """Return a pool's class, or SQLAlchemy's own, which lends nothing, on a version that is not PROVEN_ON."""
    return pool if sqlalchemy.__version__.rpartition(".")[0] in PROVEN_ON else AsyncAdaptedQueuePool


class Loan:
    """A connection that is lent, until one of its methods has returned it, once."""

    __slots__ = ("_entry", "_pool", "driver_connection")

    def __init__(self, pool: LendingPool, entry: ConnectionPoolEntry, driver: Any) -> None:
        self._pool = pool
        self._entry = entry
        self.driver_connection = driver

    def give_back(self) -> bool:
        """Return it, False where that is for `close` to do."""
        return self._pool.takes_back(self._entry)

    def close(self) -> None:
        """Return it, or close it for good: in a greenlet."""
        self._pool._do_return_conn(self._entry)

    def invalidate(self) -> None:
        """Cut the connection off, whatever it is in, and return its place."""
        try:
            self._entry.invalidate()
        finally:
            self._pool._do_return_conn(self._entry)
