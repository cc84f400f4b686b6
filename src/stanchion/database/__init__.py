"""The database: engine, sessions and transactions, column types, failures and migrations."""

from stanchion.database.columns import BigID, UTCDateTime, now
from stanchion.database.engine import Database
from stanchion.database.failures import DatabaseBusyError, DatabaseUnavailableError, violation
from stanchion.database.journal import on_commit
from stanchion.database.url import DatabaseURLError, parse

__all__ = [
    "BigID",
    "Database",
    "DatabaseBusyError",
    "DatabaseURLError",
    "DatabaseUnavailableError",
    "UTCDateTime",
    "now",
    "on_commit",
    "parse",
    "violation",
]
