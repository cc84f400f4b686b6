"""What a database says when it fails, and what that means for the client."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

from sqlalchemy.engine import ExceptionContext
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from stanchion.errors import ConflictError, DomainError, InvalidError, UnavailableError

Violation = Literal["unique", "foreign_key", "not_null", "check"]

_COLLISIONS = frozenset({"40001", "40P01"})
"""SQLSTATE of a serialization failure and a deadlock."""
_RETRY_STATES = _COLLISIONS | {"55P03"}
"""And of a lock that was not to be had for as long as `lock_timeout` is."""
_AWAY_CLASSES = ("08", "53", "57")
"""SQLSTATE classes of connection trouble, exhausted resources, and an operator's stop."""
_OUT_OF_RANGE = frozenset({"22000", "22001", "22003", "22008", "22021", "22P05"})
"""SQLSTATE of a value that asyncpg cannot send (also too large, or a lone surrogate), that is too long
or too large for its column, and of a NUL in a text."""
_VIOLATIONS: dict[str, Violation] = {
    "23505": "unique",
    "23503": "foreign_key",
    "23001": "foreign_key",  # ON DELETE RESTRICT, from PostgreSQL 18 on
    "23P01": "unique",  # EXCLUDE
    "23502": "not_null",
    "23514": "check",
    "SQLITE_CONSTRAINT_UNIQUE": "unique",
    "SQLITE_CONSTRAINT_PRIMARYKEY": "unique",
    "SQLITE_CONSTRAINT_FOREIGNKEY": "foreign_key",
    "SQLITE_CONSTRAINT_TRIGGER": "foreign_key",  # ON DELETE RESTRICT
    "SQLITE_CONSTRAINT_NOTNULL": "not_null",
    "SQLITE_CONSTRAINT_CHECK": "check",
}
_READ_ONLY = ("25006", "SQLITE_READONLY")
_SQLITE_BUSY = ("SQLITE_BUSY", "SQLITE_LOCKED")
_SQLITE_AWAY = ("SQLITE_CANTOPEN", "SQLITE_FULL", "SQLITE_IOERR", "SQLITE_READONLY")


class DatabaseUnavailableError(UnavailableError):
    """503: the database does not answer."""

    default_message = "The database does not answer: try again."
    default_code = "database_unavailable"


class DatabaseBusyError(UnavailableError):
    """503: the database was busy with others; the same request may succeed."""

    default_message = "The database is busy: try again."
    default_code = "database_busy"


def reason(exc: DBAPIError) -> str:
    """Return the database's own name for an error: PostgreSQL's SQLSTATE (`23505`) or SQLite's
    (`SQLITE_CONSTRAINT_UNIQUE`); empty where it gave none.
    """
    return getattr(exc.orig, "sqlstate", None) or getattr(exc.orig, "sqlite_errorname", None) or ""


def violation(exc: IntegrityError) -> Violation | None:
    """Tell which kind of constraint stood against a write, on either database."""
    return _VIOLATIONS.get(reason(exc))


@dataclass(frozen=True, slots=True)
class Violated:
    """The constraint that stood against a write, by the database's own answer."""

    kind: Violation
    columns: tuple[str, ...] = ()
    """The names that it gave; of a foreign key SQLite gives none, and of an index on an expression nobody."""


def violated(exc: IntegrityError) -> Violated | None:
    """Read which constraint stood against a write; None where the error is of another kind."""
    kind = violation(exc)
    if kind is None:
        return None
    refused = getattr(exc.orig, "__cause__", None)
    if detail := getattr(refused, "detail", None):  # PostgreSQL: Key (owner_id, title)=(7, Milk) ...
        found = re.search(r"\(([^()]+)\)=\(", detail)
        return Violated(kind, tuple(found[1].replace('"', "").split(", ")) if found else ())
    if column := getattr(refused, "column_name", None):
        return Violated(kind, (column,))
    # SQLite: UNIQUE constraint failed: todos.owner_id, todos.title
    _, _, names = str(exc.orig).partition(" constraint failed: ")
    return Violated(kind, tuple(one.rpartition(".")[2] for one in names.split(", ") if "." in one))


def is_transient(exc: BaseException) -> bool:
    """Tell whether the same transaction, started again, may succeed.

    One that got no connection has waited long enough.
    """
    said = exc.__cause__ if isinstance(exc, DatabaseBusyError) else exc
    return isinstance(said, DBAPIError) and (
        reason(said) in _RETRY_STATES or reason(said).startswith(_SQLITE_BUSY)
    )


def is_collision(exc: BaseException) -> bool:
    """Tell whether this transaction was given up for another one: run again at once, it may succeed."""
    said = exc.__cause__ if isinstance(exc, DatabaseBusyError) else exc
    return isinstance(said, DBAPIError) and reason(said) in _COLLISIONS


def unify(context: ExceptionContext) -> DataError | None:
    """Make a DataError of a value that cannot be sent: a listener of SQLAlchemy's `handle_error`.

    Where PostgreSQL or its driver reports it, sqlite3 and our column types raise what Python does.
    """
    refused = context.original_exception
    if isinstance(refused, OverflowError | UnicodeEncodeError):
        return DataError(context.statement, None, refused, hide_parameters=True)
    return None


@contextmanager
def translated(*, reading: bool = False) -> Iterator[None]:
    """Turn what the database refuses inside the block into an error for the client.

    With `reading`, a write is RuntimeError: a fault of the code.

    A unique or foreign key that stands against the write becomes ConflictError, a value
    that the column cannot hold InvalidError, a database that is busy or away a 503. What
    else it says (a statement that is wrong, a NULL that the code let through) is a fault
    of the code and passes as it is. Code inside the block still sees SQLAlchemy's errors.
    """
    try:
        yield
    except PoolTimeout as exc:
        raise DatabaseBusyError from exc
    except DBAPIError as exc:
        if reading and reason(exc) in _READ_ONLY:
            raise RuntimeError(
                "This session is for reading, as that of a GET is: write in another method, "
                "or in `database.transaction()`."
            ) from exc
        meaning = _meaning(exc)
        if meaning is None:
            raise
        raise meaning from exc


def meaning_of_driver(exc: BaseException) -> UnavailableError | None:
    """Return what an error of asyncpg or sqlite3 itself means, if only that the database is busy or away."""
    said = getattr(exc, "sqlstate", None) or getattr(exc, "sqlite_errorname", None) or ""
    if said in _RETRY_STATES or said.startswith(_SQLITE_BUSY):
        return DatabaseBusyError()
    # asyncpg has no state for a connection that is closed by then.
    is_closed = type(exc).__name__ == "InterfaceError"
    if is_closed or isinstance(exc, OSError) or said[:2] in _AWAY_CLASSES or said.startswith(_SQLITE_AWAY):
        return DatabaseUnavailableError()
    return None


def busy_of_driver(exc: BaseException) -> DatabaseBusyError | None:
    """Return what an error of asyncpg or sqlite3 itself means where a lock was waited for in vain.

    None for a collision too: run again at once, it may succeed.
    """
    if getattr(exc, "sqlstate", None) in _COLLISIONS:
        return None
    meaning = meaning_of_driver(exc)
    return meaning if isinstance(meaning, DatabaseBusyError) else None


def _meaning(exc: DBAPIError) -> DomainError | None:
    said = reason(exc)
    if is_transient(exc):
        return DatabaseBusyError()
    if exc.connection_invalidated or said[:2] in _AWAY_CLASSES or said.startswith(_SQLITE_AWAY):
        return DatabaseUnavailableError()
    if isinstance(exc, IntegrityError) and violation(exc) in ("unique", "foreign_key"):
        return ConflictError()
    if isinstance(exc, DataError) or said in _OUT_OF_RANGE:
        return InvalidError("A value is out of the range that can be stored.")
    return None
