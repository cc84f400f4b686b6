"""What SQLite's batch mode would lose: it copies a table into a new one and drops the old."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, Table, event

from stanchion.database.schema import SchemaError


@contextmanager
def kept_ids(connection: Connection) -> Iterator[None]:
    """Let a table that is copied keep AUTOINCREMENT, which reflection does not see, and its counter.

    Without them the ids of deleted rows would be given again.
    """
    if connection.dialect.name != "sqlite":
        yield
        return
    event.listen(Table, "before_create", _keep_autoincrement)
    event.listen(Table, "before_drop", _keep_counter)
    try:
        yield
    finally:
        event.remove(Table, "before_create", _keep_autoincrement)
        event.remove(Table, "before_drop", _keep_counter)


def check_foreign_keys(connection: Connection) -> None:
    """Refuse to commit rows whose parents are gone: SQLite does not watch them while tables are copied."""
    if connection.dialect.name != "sqlite":
        return
    orphan = connection.exec_driver_sql("PRAGMA foreign_key_check").first()
    if orphan is not None:
        raise SchemaError(
            f"A row of {orphan[0]} would refer to a row of {orphan[2]} that is not there: "
            "let the revision delete or correct it first."
        )


def _keep_autoincrement(target: Table, connection: Connection, **_: Any) -> None:
    if target.name in {_copy_of(name) for name in _counting(connection)}:
        target.dialect_options["sqlite"]["autoincrement"] = True


def _keep_counter(target: Table, connection: Connection, **_: Any) -> None:
    copy = _copy_of(target.name)
    if {target.name, copy} <= _counting(connection):
        connection.exec_driver_sql("DELETE FROM sqlite_sequence WHERE name = ?", (copy,))
        connection.exec_driver_sql(
            "INSERT INTO sqlite_sequence (name, seq) SELECT ?, seq FROM sqlite_sequence WHERE name = ?",
            (copy, target.name),
        )


def _counting(connection: Connection) -> set[str]:
    """Return the tables that number their rows with AUTOINCREMENT."""
    rows = connection.exec_driver_sql(
        "SELECT name FROM sqlite_master WHERE type = 'table' AND sql LIKE '%AUTOINCREMENT%'"
    )
    return {row[0] for row in rows}


def _copy_of(name: str) -> str:
    """Return the name that Alembic gives to the copy of a table."""
    return f"_alembic_tmp_{name}"[:50]
