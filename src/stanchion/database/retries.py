"""Requests that are run again where the database gave their transaction up for another one."""

import random
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import anyio
import structlog
from fastapi import Request, Response

from stanchion.database.failures import is_collision
from stanchion.signature import passed_by

SESSIONS = "stanchion.sessions"
"""Where a request keeps its sessions, by the id of their Database."""
_ATTEMPTS = 4

log = structlog.stdlib.get_logger("stanchion.database")


async def pause(attempt: int) -> None:
    """Sleep for a short random while, longer after each attempt."""
    await anyio.sleep(random.uniform(0, 0.01 * 2**attempt))  # noqa: S311 - spreads retries, no secret


def retried(
    handle: Callable[[Request], Awaitable[Response]],
) -> Callable[[Request], Coroutine[Any, Any, Response]]:
    """Wrap a route's handler: after a deadlock or a serialization failure it runs again, in a new session.

    For a path operation with no effect outside its session, whose dependencies may run again too. What
    a commit itself refuses comes after the handler: that is a 503 with Retry-After.
    """

    async def handler(request: Request) -> Response:
        for attempt in range(1, _ATTEMPTS):
            try:
                return await handle(request)
            except Exception as exc:
                if not is_collision(exc):
                    raise
                log.info("again", attempt=attempt)
            await _start_over(request)
            await pause(attempt)
        return await handle(request)

    return passed_by(handle, handler)


async def _start_over(request: Request) -> None:
    """Roll back what the request has opened; the sessions are closed with the others, at its end."""
    for session in request.scope.pop(SESSIONS, {}).values():
        await session.rollback()
