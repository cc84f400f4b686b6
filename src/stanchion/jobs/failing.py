"""What is kept of an error: its type, its message and where it came from, without a secret."""

import traceback
from types import TracebackType

from pydantic_core import to_jsonable_python

from stanchion.errors import DomainError
from stanchion.jobs.errors import GiveUpError
from stanchion.jobs.record import Failure
from stanchion.logging import redact

_MESSAGE = 1000
_TRACE = 8000
"""Characters that are kept of a message, and about so many of a traceback."""
_HEAD = 2000
"""Characters of a long traceback that are kept of its beginning; the others are of its end."""
_PASSING = frozenset({408, 425, 429})
"""Statuses of what may succeed when it is tried later (RFC 9110, 15.5.9; RFC 8470, 5.2; RFC 6585, 4)."""
_BENEATH = ("stanchion.jobs.", "anyio.")
"""The modules that call a job's function, of which nobody wants to read."""


def failure_of(exc: BaseException) -> Failure:
    """Return an error as a job's row keeps it; the traceback begins in the job's own function.

    One that cannot be told, because its `__str__` raises or its details hold themselves, ends no worker.
    """
    try:
        return _told(exc)
    except Exception as fault:
        return Failure(type(exc).__name__, f"What it says cannot be told ({type(fault).__name__}).", "")


def is_refusal(exc: BaseException) -> bool:
    """Tell whether it is no fault of the backend's, and no further attempt can help: its message says why.

    That is `GiveUpError`, and a domain error, but for one that passes (408, 425, 429, or any that has a
    `Retry-After`; RFC 9110, 10.2.3) or is a fault of the server's.
    """
    if isinstance(exc, DomainError):
        passes = exc.status in _PASSING or "retry-after" in map(str.lower, exc.headers)
        return exc.status < 500 and not passes
    return isinstance(exc, GiveUpError)


def _told(exc: BaseException) -> Failure:
    own = traceback.TracebackException(type(exc), exc, _own(exc.__traceback__))
    given = exc.details if isinstance(exc, GiveUpError) else None
    if isinstance(exc, DomainError):
        given = exc.extensions or None
    details = to_jsonable_python(given, fallback=str)
    safe = redact(None, "", {"message": str(exc), "trace": "".join(own.format()), "details": details})
    return Failure(
        type=type(exc).__name__,
        message=safe["message"][:_MESSAGE],
        trace=_shortened(safe["trace"]),
        details=safe["details"],
        is_refusal=is_refusal(exc),
        code=exc.code if isinstance(exc, DomainError) else "",
    )


def _own(trace: TracebackType | None) -> TracebackType | None:
    while trace is not None and str(trace.tb_frame.f_globals.get("__name__")).startswith(_BENEATH):
        trace = trace.tb_next
    return trace


def _shortened(trace: str) -> str:
    """Leave lines out in the middle: where it began and what was raised are at the ends."""
    if len(trace) <= _TRACE:
        return trace
    head = trace[:_HEAD].rpartition("\n")[0]
    tail = trace[_HEAD - _TRACE :].partition("\n")[2]
    left_out = trace.count("\n") - head.count("\n") - tail.count("\n") - 1
    return f"{head}\n  ... {left_out} lines are left out ...\n{tail}"
