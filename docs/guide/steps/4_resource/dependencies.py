"""Who is asking, and what every resource of the shop has."""

from typing import Annotated, TypeVar

from fastapi import Depends
from sqlmodel import col

import stanchion
from database import database
from models import User
from settings import settings
from stanchion import Caller
from stanchion.errors import ForbiddenError
from stanchion.idempotency import Idempotency
from stanchion.security import KeyGuard

Row = TypeVar("Row")

get_api_key = KeyGuard(database, service_key=settings.API_KEY, users=col(User.id))
idempotency = Idempotency(database, caller=get_api_key)

CallerDep = Annotated[Caller, Depends(get_api_key)]


async def staff(caller: CallerDep) -> None:
    """Let in the shop's own servers, and no customer."""
    if caller.user_id is not None:
        raise ForbiddenError("This is for the shop itself.", "staff_only")


class Resource(stanchion.Resource[Row]):
    session = database.get_session
    caller = get_api_key
    idempotency = idempotency
