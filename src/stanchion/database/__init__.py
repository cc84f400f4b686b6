"""The database: engine, sessions and transactions, column types, failures and migrations.

The names resolve on first use (PEP 562): `stanchion.database.schema` must load without SQLAlchemy.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from stanchion.database.columns import BigID as BigID
    from stanchion.database.columns import UTCDateTime as UTCDateTime
    from stanchion.database.columns import now as now
    from stanchion.database.engine import Database as Database
    from stanchion.database.failures import DatabaseBusyError as DatabaseBusyError
    from stanchion.database.failures import DatabaseUnavailableError as DatabaseUnavailableError
    from stanchion.database.failures import Violated as Violated
    from stanchion.database.failures import violated as violated
    from stanchion.database.failures import violation as violation
    from stanchion.database.journal import on_commit as on_commit
    from stanchion.database.journal import record as record
    from stanchion.database.url import DatabaseURLError as DatabaseURLError
    from stanchion.database.url import parse as parse
    from stanchion.database.wakes import notify as notify

_HOMES = {
    "BigID": "columns",
    "Database": "engine",
    "DatabaseBusyError": "failures",
    "DatabaseURLError": "url",
    "DatabaseUnavailableError": "failures",
    "UTCDateTime": "columns",
    "Violated": "failures",
    "notify": "wakes",
    "now": "columns",
    "on_commit": "journal",
    "parse": "url",
    "record": "journal",
    "violated": "failures",
    "violation": "failures",
}

__all__ = [
    "BigID",
    "Database",
    "DatabaseBusyError",
    "DatabaseURLError",
    "DatabaseUnavailableError",
    "UTCDateTime",
    "Violated",
    "notify",
    "now",
    "on_commit",
    "parse",
    "record",
    "violated",
    "violation",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'stanchion.database' has no attribute {name!r}")
    return getattr(import_module(f"stanchion.database.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return __all__
