"""What a session wrote, told once it has committed and not before."""

from collections.abc import Callable
from functools import partial
from typing import Any

import structlog
from sqlalchemy import event, inspect
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Session, SessionTransaction

from stanchion.log import Log

_CALLS = "stanchion_on_commit"
_SAVEPOINTS = "stanchion_savepoints"
"""How many calls there were when each of the open savepoints began."""

log = structlog.stdlib.get_logger("stanchion.database")
_rows = Log("stanchion.database")


def on_commit(session: AsyncSession, call: Callable[..., object], *args: Any, **kwargs: Any) -> None:
    """Call `call(*args, **kwargs)` when this session's transaction has committed; never if it rolls back.

    The row is durable by then, so an error in `call` is logged and undoes nothing: keep it to
    logging and counting.
    """
    _calls(session.sync_session).append(partial(call, *args, **kwargs))


def record(session: AsyncSession, action: str, *, table: str, id: Any) -> None:
    """Log that a statement wrote a row, once it has committed. What a session writes by itself is logged."""
    on_commit(session, tell, action, table=table, id=id)


def tell(action: str, *, table: str, id: Any) -> None:
    """Log that a row was written, and has committed."""
    _rows.info(action, table=table, id=id)


def has_calls(session: AsyncSession) -> bool:
    """Tell whether something waits for this session's commit: it has written."""
    return bool(_calls(session.sync_session))


class JournaledSession(Session):
    """A session that logs `created`, `changed` and `deleted` for each row, once it has committed."""


def _calls(session: Session) -> list[Callable[[], object]]:
    calls: list[Callable[[], object]] = session.info.setdefault(_CALLS, [])
    return calls


def _savepoints(session: Session) -> list[int]:
    starts: list[int] = session.info.setdefault(_SAVEPOINTS, [])
    return starts


def _remember(session: Session, _: object) -> None:
    calls = _calls(session)
    calls += [partial(_log, "created", row) for row in session.new]
    calls += [partial(_log, "changed", row) for row in session.dirty if session.is_modified(row)]
    calls += [partial(_log, "deleted", row) for row in session.deleted]


def _log(action: str, row: object) -> None:
    state = inspect(row, raiseerr=True)
    key: tuple[Any, ...] = state.identity or ()
    _rows.info(action, table=state.mapper.local_table.name, id=key[0] if len(key) == 1 else key)


def _begin(session: Session, transaction: SessionTransaction) -> None:
    if transaction.nested:
        _savepoints(session).append(len(_calls(session)))


def _end(session: Session, transaction: SessionTransaction) -> None:
    if transaction.nested:
        _savepoints(session).pop()


def _tell(session: Session) -> None:
    if session.in_nested_transaction():  # a savepoint was released: nothing is durable yet
        return
    for call in session.info.pop(_CALLS, ()):
        try:
            call()
        except Exception as exc:
            log.error("failed", exc_info=exc)


def _forget(session: Session) -> None:
    """Forget what was rolled back: to the innermost savepoint, or all."""
    starts = _savepoints(session)
    del _calls(session)[starts[-1] if starts else 0 :]


event.listen(JournaledSession, "after_flush", _remember)
event.listen(JournaledSession, "after_transaction_create", _begin)
event.listen(JournaledSession, "after_transaction_end", _end)
event.listen(JournaledSession, "after_commit", _tell)
event.listen(JournaledSession, "after_rollback", _forget)
