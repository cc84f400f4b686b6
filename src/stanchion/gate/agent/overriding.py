"""Overrides what a route depends on, as a test does, and looks what reaches the database all the same."""

import importlib
import sys
from typing import Any
from unittest.mock import MagicMock

from . import guard, loading

_kept: dict[str, Any] = {}
_STATEFUL = (
    "AsyncConnection",
    "AsyncEngine",
    "AsyncSession",
    "Connection",
    "Engine",
    "Session",
    "async_scoped_session",
    "async_sessionmaker",
    "scoped_session",
    "sessionmaker",
)


def override(method: str, path: str) -> list[str]:
    """Override every dependency of a route, but FastAPI's security schemes, and return their names.

    From now on the statements that the endpoint runs are kept, until `restore`. Raises LookupError
    where there is no such route, or nothing to see of it.
    """
    app = loading.loaded["app"]
    context = next(
        (
            one
            for one in loading.contexts(app)
            if method in (getattr(one, "methods", None) or ())
            and path == (getattr(one, "path_format", None) or getattr(one, "path", ""))
        ),
        None,
    )
    code = getattr(loading.function(context.endpoint), "__code__", None) if context is not None else None
    if context is None or code is None or "sqlalchemy" not in sys.modules:
        raise LookupError(f"{method} {path}")
    calls = list(_calls(context.dependant))
    direct = [one.call for one in context.dependant.dependencies if one.call in calls]
    _kept.update(app=app, before=dict(app.dependency_overrides), code=code)
    _kept.update(statements=[], waiting={id(call) for call in direct})
    for call in calls:
        app.dependency_overrides[call] = _stand_in(call)
    _engine_events().listen(_engine(), "before_cursor_execute", _statement)
    return [loading.name(call) for call in calls]


def restore() -> dict[str, Any]:
    """Take the stand-ins away, and return what was seen.

    `reached` tells whether each of them was in the place of its dependency, `statements` what the endpoint
    ran, `stateful` whether the app's state holds a database, which a test can set.
    """
    app = _kept["app"]
    app.dependency_overrides.clear()
    app.dependency_overrides.update(_kept["before"])
    _engine_events().remove(_engine(), "before_cursor_execute", _statement)
    state = getattr(getattr(app, "state", None), "_state", {})
    return {
        "reached": not _kept["waiting"],
        "statements": _kept["statements"],
        "stateful": any(_holds(value) for value in state.values()),
    }


def _calls(dependant: Any) -> Any:
    """Give the dependencies at any depth; a project's own security scheme is one, FastAPI's are not."""
    for one in dependant.dependencies:
        base = importlib.import_module("fastapi.security.base").SecurityBase
        of_fastapi = isinstance(one.call, base) and type(one.call).__module__.startswith("fastapi.")
        if one.call is not None and not of_fastapi:
            yield one.call
        yield from _calls(one)


def _stand_in(call: Any) -> Any:
    """Return what a test would put there: it wants nothing, and gives what takes any question."""

    def stand_in() -> Any:
        _kept["waiting"].discard(id(call))
        return MagicMock()

    return stand_in


def _statement(_: Any, __: Any, sql: str, *rest: Any) -> None:
    if any(frame.f_code is _kept["code"] for frame in guard.frames()):
        _kept["statements"].append({"sql": sql[:1000], **guard.place()})


def _holds(value: Any, depth: int = 2) -> bool:
    """Tell whether it is of SQLAlchemy's connections and sessions, or has one."""
    if any(base.__name__ in _STATEFUL for base in type(value).__mro__):
        return True
    return depth > 0 and any(_holds(one, depth - 1) for one in getattr(value, "__dict__", {}).values())


def _engine_events() -> Any:
    return importlib.import_module("sqlalchemy.event")


def _engine() -> Any:
    return importlib.import_module("sqlalchemy.engine").Engine
