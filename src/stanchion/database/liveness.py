"""Whether a pooled connection to PostgreSQL still leads to the server, before it is used."""

import select
import time
from typing import Any

from sqlalchemy import Engine, event
from sqlalchemy.exc import InvalidatePoolError
from sqlalchemy.pool import ConnectionPoolEntry

_IDLE = 10.0
"""Seconds after which a connection is asked: what lies between may have dropped it and told nobody."""
_RETURNED = "stanchion_returned"


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
    returned = entry.info.get(_RETURNED)
    if returned is None:  # it is new
        return
    if time.monotonic() - returned > _IDLE or _has_news(driver):
        try:
            connection.ping()
        except connection.dbapi.Error as exc:
            raise InvalidatePoolError from exc


def _has_news(driver: Any) -> bool:
    """Tell whether the server has said something that the event loop has not read yet: its end, perhaps."""
    socket = driver._transport.get_extra_info("socket")  # asyncpg has no public name for it
    if socket is None or not hasattr(select, "poll"):  # Windows
        return True
    poll = select.poll()
    poll.register(socket.fileno(), select.POLLIN)
    return bool(poll.poll(0))
