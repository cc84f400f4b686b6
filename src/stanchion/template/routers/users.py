"""/api/users: sign up, and who you are."""

import structlog
from fastapi import APIRouter, Response
from sqlalchemy.exc import IntegrityError

from database import SessionDep
from dependencies import UserDep
from models import User
from schemas import UserCreate, UserResponse
from stanchion.database import on_commit
from stanchion.errors import ConflictError, NotFoundError, UnavailableError, responses
from stanchion.headers import headers
from stanchion.schemas import email_key
from stanchion.security import hash_password

router = APIRouter(prefix="/api/users", tags=["users"], responses=responses(UnavailableError))

log = structlog.stdlib.get_logger("users")

taken = ConflictError("Email already taken", "email_taken")


@router.post("", status_code=201, summary="Sign up", responses={201: headers("Location"), **responses(taken)})
async def create_user(body: UserCreate, response: Response, session: SessionDep) -> UserResponse:
    """Make an account. Then `POST /api/keys` gives you a key."""
    user = User(
        email=body.email,
        email_key=email_key(body.email),
        name=body.name,
        password_hash=await hash_password(body.password),
    )
    session.add(user)
    try:
        await session.flush()
    except IntegrityError:
        raise ConflictError("Email already taken", "email_taken") from None
    on_commit(session, log.info, "signed_up", user_id=user.id)
    response.headers["Location"] = "/api/users/me"
    return UserResponse.model_validate(user)


@router.get(
    "/me", summary="Who you are", responses=responses(NotFoundError("User not found", "user_not_found"))
)
async def read_me(user: UserDep) -> UserResponse:
    """Read your own account. The service key alone is nobody: 404."""
    return UserResponse.model_validate(user)
