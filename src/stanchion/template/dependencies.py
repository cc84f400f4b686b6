"""Who is asking: the key, and the user behind it."""

from datetime import timedelta
from typing import Annotated, TypeVar

from fastapi import Depends
from sqlalchemy import ColumnElement
from sqlmodel import col

import stanchion
from database import SessionDep, database, get_session
from models import User
from settings import settings
from stanchion.errors import NotFoundError
from stanchion.events import Events
from stanchion.idempotency import Idempotency
from stanchion.security import Caller, KeyGuard, SignInLimit

get_api_key = KeyGuard(
    database,
    service_key=settings.API_KEY,
    users=col(User.id),
    hint="The first key is API_KEY in .env." if settings.ENVIRONMENT == "development" else "",
    cache=settings.API_KEY_CACHE,
)
sign_in_limit = SignInLimit(settings.SIGN_IN_LIMIT, storage=settings.SIGN_IN_STORAGE)
sign_up_limit = SignInLimit(
    settings.SIGN_UP_LIMIT,
    storage=settings.SIGN_IN_STORAGE,
    message="Too many new accounts: wait, then try again.",
    code="sign_up_limit",
)

Row = TypeVar("Row")
CallerDep = Annotated[Caller, Depends(get_api_key)]


class UserNotFoundError(NotFoundError):
    """There is no such user."""

    default_message = "User not found"
    default_code = "user_not_found"


idempotency = Idempotency(database, caller=get_api_key, lifetime=timedelta(hours=settings.IDEMPOTENCY_HOURS))


class Resource(stanchion.Resource[Row]):
    """The endpoints of a table, with this backend's session, callers, replies and change feed."""

    session = get_session
    caller = get_api_key
    idempotency = idempotency
    events = Events(database)


def owned(owner_id: int | None, caller: Caller) -> ColumnElement[bool]:
    """Narrow a query to the caller's rows, `owned(Todo.owner_id, caller)`: the service's have no owner."""
    return col(owner_id).is_(None) if caller.user_id is None else col(owner_id) == caller.user_id


async def get_current_user(caller: CallerDep, session: SessionDep) -> User:
    """Return the user that the key acts for. The service itself is no user: 404."""
    user = await session.get(User, caller.user_id) if caller.user_id else None
    if user is None:
        raise UserNotFoundError
    return user


UserDep = Annotated[User, Depends(get_current_user)]
