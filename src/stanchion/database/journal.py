"""What a session wrote, told once it has committed and not before."""

from collections.abc import Callable
from typing import Any

import structlog
from sqlalchemy import event, inspect
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Session

_CALLS = "stanchion_on_commit"
_WRITES = "stanchion_writes"

log = structlog.stdlib.get_logger("stanchion.database")


def on_commit(session: AsyncSession, call: Callable[..., object], *args: Any, **kwargs: Any) -> None:
    """Call `call(*args, **kwargs)` when this session's transaction has committed; never if it rolls back.

    The row is durable by then, so an error in `call` cannot undo it: keep it to logging and counting.
    """
    session.sync_session.info.setdefault(_CALLS, []).append((call, args, kwargs))


class JournaledSession(Session):
    """A session that logs `created`, `changed` and `deleted` for each row, once it has committed."""


def _remember(session: Session, _: object) -> None:
    writes = session.info.setdefault(_WRITES, [])
    writes += [("created", row) for row in session.new]
    writes += [("changed", row) for row in session.dirty if session.is_modified(row)]
    writes += [("deleted", row) for row in session.deleted]


def _tell(session: Session) -> None:
    for action, row in session.info.pop(_WRITES, []):
        state = inspect(row)
        key = state.identity if state.identity is None or len(state.identity) > 1 else state.identity[0]
        log.info(action, table=state.mapper.local_table.name, id=key)
    for call, args, kwargs in session.info.pop(_CALLS, []):
        call(*args, **kwargs)


def _forget(session: Session) -> None:
    session.info.pop(_WRITES, None)
    session.info.pop(_CALLS, None)


event.listen(JournaledSession, "after_flush", _remember)
event.listen(JournaledSession, "after_commit", _tell)
event.listen(JournaledSession, "after_rollback", _forget)
