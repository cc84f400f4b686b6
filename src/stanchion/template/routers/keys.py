"""/api/keys: sign in, which gives you an API key; list yours, revoke one."""

from datetime import timedelta
from typing import Annotated

import structlog
from fastapi import APIRouter, Path, Request, Response
from sqlmodel import col, select

from database import SessionDep, database
from dependencies import CallerDep, sign_in_limit
from models import User
from schemas import KeyCreate, KeyCreated, KeyResponse
from stanchion import security
from stanchion.database import now
from stanchion.errors import (
    NotFoundError,
    TooManyRequestsError,
    UnauthorizedError,
    UnavailableError,
    responses,
)
from stanchion.schemas import email_key

router = APIRouter(prefix="/api/keys", tags=["keys"], responses=responses(UnavailableError))

log = structlog.stdlib.get_logger("keys")


class WrongCredentialsError(UnauthorizedError):
    """The email or the password is wrong; which of them, nobody is told."""

    default_message = "Wrong email or password"
    default_code = "wrong_credentials"


class KeyNotFoundError(NotFoundError):
    """There is no such key, or it is somebody else's."""

    default_message = "Key not found"
    default_code = "key_not_found"


KeyId = Annotated[int, Path(ge=1, le=2**63 - 1, description="The key's id.", examples=[3])]


@router.post(
    "",
    status_code=201,
    summary="Sign in: get a key",
    responses=responses(WrongCredentialsError, TooManyRequestsError),
)
async def create_key(
    body: KeyCreate, request: Request, response: Response, session: SessionDep
) -> KeyCreated:
    """Sign in with your email and password. The answer has a new API key of yours, shown this once.

    Send it as `X-API-Key`. To sign out, revoke it.
    """
    response.headers["Cache-Control"] = "no-store"
    email = email_key(body.email)
    address = request.client.host if request.client else "unknown"
    await sign_in_limit.attempt(address=address, email=email)
    # A short read of its own: the slow check of the password must hold no lock.
    async with database.read() as reader:
        user = (await reader.scalars(select(User).where(col(User.email_key) == email))).one_or_none()
    if (
        not await security.verify_password(body.password, user.password_hash if user else None)
        or user is None
    ):
        log.warning("refused", status=401, reason="wrong_credentials", address=address)
        raise WrongCredentialsError
    await sign_in_limit.succeeded(address=address, email=email)
    expires_at = now() + timedelta(days=body.expires_in_days) if body.expires_in_days else None
    key, secret = await security.create(
        session, user_id=user.id, name=body.name, scopes=body.scopes, expires_at=expires_at
    )
    return KeyCreated(**KeyResponse.model_validate(key).model_dump(), key=secret)


@router.get("", summary="List keys")
async def list_keys(session: SessionDep, caller: CallerDep) -> list[KeyResponse]:
    """List your keys that are not revoked, newest first."""
    return [
        KeyResponse.model_validate(key) for key in await security.list_keys(session, user_id=caller.user_id)
    ]


@router.delete("/{key_id}", status_code=204, summary="Revoke a key", responses=responses(KeyNotFoundError))
async def delete_key(key_id: KeyId, session: SessionDep, caller: CallerDep) -> None:
    """Revoke one of your keys, for good and at once."""
    if not await security.revoke_own(session, key_id, user_id=caller.user_id):
        raise KeyNotFoundError
