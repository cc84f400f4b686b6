"""The time between what a request asked before its file arrived and what it writes afterwards."""

from typing import Any

from fastapi import Request
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from stanchion.database import Database
from stanchion.database.journal import has_calls
from stanchion.database.retries import SESSIONS


async def let_go(request: Request, session: Any) -> None:
    """End the transactions that are open, in which dependencies have read: who is asking, and the like.

    A file may take an hour: on SQLite nobody else could write for so long, and on PostgreSQL the connection
    would be cut. `session` is the resource's own dependency. Raises RuntimeError where something would be
    lost with a transaction: what was written or locked in it, or what the project's own session set in it.
    """
    is_prepared = not isinstance(getattr(session, "__self__", None), Database)
    for one in request.scope.get(SESSIONS, {}).values():
        if not one.in_transaction():
            continue
        if is_prepared or await _has_written(one):
            raise RuntimeError(
                "Before the file of an import arrives, the request's transaction must end, and a dependency "
                "of the router, of the app or of `caller` has written in it, locked rows, or prepared it. "
                "Let it read in a session of its own, `database.read()`, and write in `authorize` or "
                "`values`, which are asked when the file is there."
            )
        await one.rollback()


async def _has_written(session: AsyncSession) -> bool:
    if session.new or session.dirty or session.deleted or has_calls(session):
        return True
    if session.get_bind().dialect.name != "postgresql":
        return False
    assigned = await session.scalar(text("SELECT pg_current_xact_id_if_assigned() IS NOT NULL"))
    return bool(assigned)
