"""Who is asking: the keys that are there go on working."""

import hashlib
from datetime import UTC, datetime
from typing import Annotated

from fastapi import Depends, Request
from fastapi.security import APIKeyHeader
from sqlalchemy import select

from errors import Problem
from models import ApiKey, SessionDep

Sent = Annotated[str | None, Depends(APIKeyHeader(name="X-API-Key", auto_error=False))]


def refused(error: str, detail: str) -> Problem:
    return Problem(401, error, detail, **{"WWW-Authenticate": "Bearer"})


async def get_user_id(request: Request, sent: Sent, session: SessionDep) -> int:
    """Return the user of a key. A key is kept as its SHA-256, in hex."""
    if not sent:
        raise refused("key_missing", "An API key is needed: send it as X-API-Key.")
    digest = hashlib.sha256(sent.encode()).hexdigest()
    key = (await session.scalars(select(ApiKey).where(ApiKey.digest == digest))).one_or_none()
    is_over = key is not None and key.expires_at is not None and key.expires_at <= datetime.now(UTC)
    if key is None or key.user_id is None or key.revoked_at is not None or is_over:
        raise refused("key_not_valid", "This API key is not valid.")
    scope = "read" if request.method in ("GET", "HEAD") else "write"
    if scope not in key.scopes.split():
        raise Problem(403, "scope_missing", f"This key may not {scope}.")
    return key.user_id


UserId = Annotated[int, Depends(get_user_id)]
