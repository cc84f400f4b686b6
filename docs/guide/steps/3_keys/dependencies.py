"""Who is asking."""

from typing import Annotated

from fastapi import Depends
from sqlmodel import col

from database import database
from models import User
from settings import settings
from stanchion import Caller
from stanchion.errors import ForbiddenError
from stanchion.security import KeyGuard

get_api_key = KeyGuard(database, service_key=settings.API_KEY, users=col(User.id))

CallerDep = Annotated[Caller, Depends(get_api_key)]


async def staff(caller: CallerDep) -> None:
    """Let in the shop's own servers, and no customer."""
    if caller.user_id is not None:
        raise ForbiddenError("This is for the shop itself.", "staff_only")
