"""DATABASE_URL: what people write, made into what SQLAlchemy and the drivers want."""

import importlib.util
from pathlib import Path

from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

_POSTGRESQL = frozenset({"postgresql", "postgres", "postgresql+asyncpg", "postgres+asyncpg"})
_SQLITE = frozenset({"sqlite", "sqlite+aiosqlite"})
_OF_LIBPQ = frozenset(
    {
        "channel_binding",
        "connect_timeout",
        "connection_limit",
        "gssencmode",
        "keepalives",
        "keepalives_count",
        "keepalives_idle",
        "keepalives_interval",
        "pgbouncer",
        "pool_timeout",
        "sslcompression",
        "sslsni",
        "tcp_user_timeout",
    }
)
"""What hosts write into their URLs for other drivers; asyncpg would send it on as a setting of the server."""
_FORMS = "sqlite:///./app.db or postgresql://user:password@host/name"


class DatabaseURLError(ValueError):
    """DATABASE_URL cannot be used; the message is one sentence that says why, without its password."""


def parse(text: str) -> URL:
    """Return the SQLAlchemy URL, with an async driver, for `sqlite:`, `postgresql:` or `postgres:`.

    Raises DatabaseURLError for another database, a form that cannot be read, SQLite in
    memory (each connection would see a database of its own), or a driver that is not installed.
    """
    try:
        url = make_url(text)
    except (ArgumentError, ValueError):
        raise DatabaseURLError(f"DATABASE_URL cannot be read: write it like {_FORMS}.") from None
    if url.drivername in _SQLITE:
        return _sqlite(url)
    if url.drivername in _POSTGRESQL:
        return _postgresql(url)
    raise DatabaseURLError(f"DATABASE_URL names {url.drivername!r}: use {_FORMS}.")


def _sqlite(url: URL) -> URL:
    if not url.database or ":memory:" in url.database or url.query.get("mode") == "memory":
        raise DatabaseURLError("DATABASE_URL is SQLite in memory: name a file, like sqlite:///./app.db.")
    if url.host:
        raise DatabaseURLError(
            f"DATABASE_URL has a host before the file: write sqlite:///./{Path(url.database).name}, "
            "with three slashes."
        )
    return url.set(drivername="sqlite+aiosqlite")


def _postgresql(url: URL) -> URL:
    if importlib.util.find_spec("asyncpg") is None:
        raise DatabaseURLError('PostgreSQL needs its driver: pip install "stanchion[postgres]".')
    return url.set(drivername="postgresql+asyncpg").difference_update_query(_OF_LIBPQ)
