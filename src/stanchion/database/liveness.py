"""Whether a pooled connection to PostgreSQL still leads to the server, before it is used."""

import select
import time
from collections.abc import Callable
from typing import Any

from sqlalchemy import Engine, event
from sqlalchemy.exc import InvalidatePoolError
from sqlalchemy.pool import ConnectionPoolEntry

from stanchion.database.lending import LendingPool

_IDLE = 10.0
"""Seconds after which a connection is asked: what lies between may have dropped it and told nobody."""
_FRESH = 0.01
"""Seconds for which it is not even looked at: the event loop itself has heard of it a moment ago."""
_RETURNED = "stanchion_returned"
_NEWS = "stanchion_news"


class WatchedPool(LendingPool):
    """The pool of an engine that `watch` watches: it lends no connection that has to be asked first."""

    listeners = 2

    def is_sure(self, entry: ConnectionPoolEntry, driver: Any) -> bool:
        """Tell whether one that lies idle leads to the server, as far as that is known without asking."""
        return not driver.is_closed() and not _is_to_be_asked(entry, driver)

    def takes_back(self, entry: ConnectionPoolEntry) -> bool:
        """Take one back as ever, and note when."""
        entry.info[_RETURNED] = time.monotonic()
        return super().takes_back(entry)


def watch(engine: Engine) -> None:
    """Make the pool of asyncpg's connections look before it gives one.

    A server that has ended says so, which is heard without asking. To ask, as `pool_pre_ping` does each
    time, takes three round trips.
    """
    event.listen(engine, "checkin", _note)
    event.listen(engine, "checkout", _look)


def _note(_: Any, entry: ConnectionPoolEntry) -> None:
    entry.info[_RETURNED] = time.monotonic()


def _look(connection: Any, entry: ConnectionPoolEntry, _: Any) -> None:
    driver = connection.driver_connection
    if driver.is_closed():
        raise InvalidatePoolError
    if _is_to_be_asked(entry, driver):
        try:
            connection.ping()
        except connection.dbapi.Error as exc:
            raise InvalidatePoolError from exc


def _is_to_be_asked(entry: ConnectionPoolEntry, driver: Any) -> bool:
    returned = entry.info.get(_RETURNED)
    if returned is None:  # it is new
        return False
    idle: float = time.monotonic() - returned
    return idle > _IDLE or (idle > _FRESH and _has_news(entry, driver))


def _has_news(entry: ConnectionPoolEntry, driver: Any) -> bool:
    """Tell whether the server has said something that the event loop has not read yet: its end, perhaps."""
    news: Callable[[int], object] | None = entry.info.get(_NEWS)
    if news is None:  # SQLAlchemy empties `info` with each new connection
        news = entry.info[_NEWS] = _news_of(driver)
    return bool(news(0))


def _news_of(driver: Any) -> Callable[[int], object]:
    """Return what looks at a connection's socket, whose number is the same for as long as it is open."""
    socket = driver._transport.get_extra_info("socket")  # asyncpg has no public name for it
    if socket is None or not hasattr(select, "poll"):  # Windows
        return lambda _: True
    poll = select.poll()
    poll.register(socket.fileno(), select.POLLIN)
    return poll.poll
