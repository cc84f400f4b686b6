"""What opens a session for each batch of a stream, which outlives the request's own session."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Annotated, Any

from fastapi import Depends, Request
from sqlalchemy.ext.asyncio import AsyncSession

from stanchion.database import Database

Opener = Callable[[], AbstractAsyncContextManager[AsyncSession]]
"""Opens a session in which a stream reads what comes next."""


def source(sessions: Any, session: Any) -> Any:
    """Return the parameter for what opens the sessions: of `sessions`, else of the Database of `session`.

    A session that a dependency of the project's own has prepared (a tenant, a role) can be opened again by
    that project alone: nothing is opened in its place. Raises ValueError where there is neither.
    """
    if sessions is not None:
        return Annotated[Opener, Depends(sessions)]
    if _database(session) is None:
        raise ValueError(
            "An export needs sessions beside the request's own: set `sessions` in the class to a dependency "
            "that returns what opens one, as `session` prepares it, for each batch; or leave it out, "
            '`without=["export"]`.'
        )

    async def opened(request: Request) -> Opener:
        # What stands in for the session, in tests, stands in for the whole file.
        override = getattr(request.app, "dependency_overrides", {}).get(session, session)
        database = _database(override)
        if database is None:
            raise RuntimeError(
                "`session` is overridden by what is no Database's `get_session`, so an export would read its "
                "first rows there and the others elsewhere: set `sessions` in the class of the resource to a "
                "dependency, and override that as well."
            )
        return database.read

    return Annotated[Opener, Depends(opened)]


def _database(session: Any) -> Database | None:
    owner = getattr(session, "__self__", None)
    return owner if isinstance(owner, Database) and session == owner.get_session else None
