"""Lets a key in the copy's database expire, and puts it back."""

import asyncio
import base64
import functools
import hashlib
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

from . import engines, heap, serving

_EXPIRY = re.compile(
    r"(expires?|expiry|expiration|valid_?(until|to|till))_?(at|on|date|time|ts|timestamp)?", re.IGNORECASE
)
_AGO = timedelta(days=2)
"""More than any time zone makes of a time without one."""
_SHORTEST = 6
"""Characters of a key that are kept in clear, to find it by."""
_MILLISECONDS = 10**11
_MOST = 10_000
_PATIENCE = 10.0

_changed: list[tuple[Any, Any]] = []
"""Of each row, the engine and the statement that puts its value back."""


def expire(secret: str, marks: list[str], named: str) -> list[str]:
    """Set the expiry of the row that holds this key to two days ago; return the tables that have one.

    A row holds it by its text, its beginning or a digest of it, or by one of `marks`; its name
    ends as `named` says, a regular expression.
    """
    if "sqlalchemy" not in sys.modules:
        return []
    forms = _forms(secret, marks)
    found, tables = [], list(_tables(named))
    for engine in engines.alive():
        with suppress(Exception):  # an engine that only reads, or of which the server is gone
            found += _on(engine, functools.partial(_expire, engine, secret, forms, tables))
    return sorted(set(found))


def unexpire() -> None:
    """Put every value back that was there."""
    while _changed:
        engine, statement = _changed.pop()
        _on(engine, functools.partial(_execute, statement))


def _execute(statement: Any, connection: Any) -> None:
    connection.execute(statement)


def _on(engine: Any, work: Callable[[Any], Any]) -> Any:
    """Do something in a transaction of the app's engine."""
    if engine.dialect.is_async:
        return asyncio.run_coroutine_threadsafe(_on_async(engine, work), serving.loop()).result(_PATIENCE)
    with engine.begin() as connection:
        return work(connection)


async def _on_async(engine: Any, work: Callable[[Any], Any]) -> Any:
    from sqlalchemy.ext.asyncio import AsyncEngine

    async with AsyncEngine(engine).begin() as connection:
        return await connection.run_sync(work)


def _forms(secret: str, marks: list[str]) -> frozenset[Any]:
    """Return how a key may be kept: as it is, or as a digest in one of its forms."""
    data = secret.encode()
    digests = [hashlib.new(name, data, usedforsecurity=False).digest() for name in ("md5", "sha1")]
    digests += [hashlib.new(name, data).digest() for name in ("sha256", "sha384", "sha512", "sha3_256")]
    digests += [hashlib.blake2b(data).digest(), hashlib.blake2b(data, digest_size=32).digest()]
    texts = {secret, *marks}
    for one in digests:
        encoded = base64.b64encode(one).decode(), base64.urlsafe_b64encode(one).decode()
        texts |= {one.hex(), *encoded, *(text.rstrip("=") for text in encoded)}
    return frozenset({*texts, *digests, data})


def _tables(named: str) -> Iterator[tuple[Any, Any]]:
    """Give the tables that are named like keys, as the app has them, each with its column of the expiry."""
    from sqlalchemy import Table

    for table in heap.alive(Table):
        expiry = next((one for one in table.columns if _EXPIRY.fullmatch(one.name)), None)
        if expiry is not None and re.search(named, table.name, re.IGNORECASE) and list(table.primary_key):
            yield table, expiry


def _expire(
    engine: Any, secret: str, forms: frozenset[Any], tables: list[tuple[Any, Any]], connection: Any
) -> list[str]:
    from sqlalchemy import inspect, select

    found = []
    for table, expiry in tables:
        if not inspect(connection).has_table(table.name, schema=table.schema):
            continue
        try:
            with connection.begin_nested():
                rows = connection.execute(select(table).limit(_MOST)).mappings().all()
        except Exception:  # noqa: S112 (another table of the same name, or a value that its type does not read)
            continue
        held = [row for row in rows if any(_holds(row[one.name], secret, forms) for one in table.columns)]
        found += [table.name for row in held if _set(connection, engine, table, expiry, row)]
    return found


def _holds(value: Any, secret: str, forms: frozenset[Any]) -> bool:
    """Tell whether a value is the key in one of its forms, or its beginning."""
    if isinstance(value, bytes | memoryview):
        return bytes(value) in forms
    text = str(value)
    return text in forms or (isinstance(value, str) and len(text) >= _SHORTEST and secret.startswith(text))


def _set(connection: Any, engine: Any, table: Any, expiry: Any, row: Any) -> bool:
    """Set the expiry of a row to the past, in the form that its column takes."""
    from sqlalchemy import and_, update

    statement = update(table).where(and_(*(one == row[one.name] for one in table.primary_key)))
    for value in _past(expiry.type, row[expiry.name]):
        try:
            with connection.begin_nested():
                changed = connection.execute(statement.values({expiry.name: value})).rowcount
        except Exception:  # noqa: S112 (the other form is tried)
            continue
        if changed:
            _changed.append((engine, statement.values({expiry.name: row[expiry.name]})))
            return True
    return False


def _past(kind: Any, value: Any) -> list[Any]:
    """Return what a time ago may look like in a column of this type, the likeliest first."""
    from sqlalchemy import Integer
    from sqlalchemy.types import DateTime, TypeDecorator

    aware = datetime.now(UTC) - _AGO
    naive = aware.replace(tzinfo=None)
    if isinstance(value, datetime):
        return [aware if value.tzinfo else naive]
    if isinstance(value, int | float) and not isinstance(value, bool):
        stamp = aware.timestamp() * (1000 if value > _MILLISECONDS else 1)
        return [type(value)(stamp)]
    if value is not None:
        return []
    inner = kind.impl if isinstance(kind, TypeDecorator) else kind
    if isinstance(inner, DateTime):
        is_aware = isinstance(kind, TypeDecorator) or inner.timezone
        return [aware, naive] if is_aware else [naive, aware]
    return [int(aware.timestamp())] if isinstance(inner, Integer) else []
