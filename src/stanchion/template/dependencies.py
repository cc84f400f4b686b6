"""Who is asking: the key, and the user behind it."""

from typing import Annotated

from fastapi import Depends
from sqlmodel import col

from database import SessionDep, database
from models import User
from settings import settings
from stanchion.errors import NotFoundError
from stanchion.security import Caller, KeyGuard, SignInLimit

get_api_key = KeyGuard(
    database,
    service_key=settings.API_KEY,
    users=col(User.id),
    hint="The first key is API_KEY in .env." if settings.ENVIRONMENT == "development" else "",
)
sign_in_limit = SignInLimit(settings.SIGN_IN_LIMIT)

CallerDep = Annotated[Caller, Depends(get_api_key)]


async def get_current_user(caller: CallerDep, session: SessionDep) -> User:
    """Return the user that the key acts for. The service itself is no user: 404."""
    user = await session.get(User, caller.user_id) if caller.user_id else None
    if user is None:
        raise NotFoundError("User not found", "user_not_found")
    return user


UserDep = Annotated[User, Depends(get_current_user)]
