"""/api/users: sign up, and who you are."""

import structlog
from fastapi import APIRouter, Response
from sqlalchemy.exc import IntegrityError

from database import SessionDep
from dependencies import UserDep, UserNotFoundError
from models import User
from schemas import UserCreate, UserResponse
from stanchion.database import on_commit
from stanchion.errors import ConflictError, UnavailableError, responses
from stanchion.headers import headers
from stanchion.schemas import email_key
from stanchion.security import hash_password

router = APIRouter(prefix="/api/users", tags=["users"], responses=responses(UnavailableError))

log = structlog.stdlib.get_logger("users")


class EmailTakenError(ConflictError):
    """Somebody has an account with this email, in this or another spelling."""

    default_message = "Email already taken"
    default_code = "email_taken"


@router.post(
    "", status_code=201, summary="Sign up", responses={201: headers("Location"), **responses(EmailTakenError)}
)
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
        raise EmailTakenError from None
    on_commit(session, log.info, "signed_up", user_id=user.id)
    response.headers["Location"] = "/api/users/me"
    return UserResponse.model_validate(user)


@router.get("/me", summary="Who you are", responses=responses(UserNotFoundError))
async def read_me(user: UserDep) -> UserResponse:
    """Read your own account. The service key alone is nobody: 404."""
    return UserResponse.model_validate(user)
