"""/api/users: sign up, and who you are."""

import structlog
from fastapi import APIRouter, Request, Response
from sqlalchemy.exc import IntegrityError

from database import SessionDep
from dependencies import UserDep, UserNotFoundError, sign_up_limit
from models import User
from schemas import UserCreate, UserResponse
from stanchion.database import on_commit, violation
from stanchion.errors import ConflictError, TooManyRequestsError, UnavailableError, responses
from stanchion.headers import headers, location
from stanchion.schemas import email_key
from stanchion.security import hash_password

router = APIRouter(prefix="/api/users", tags=["users"], responses=responses(UnavailableError))

log = structlog.stdlib.get_logger("users")


class EmailTakenError(ConflictError):
    """Somebody has an account with this email, in this or another spelling."""

    default_message = "Email already taken"
    default_code = "email_taken"


@router.post(
    "",
    status_code=201,
    summary="Sign up",
    responses={201: headers(Location="/api/users/me"), **responses(EmailTakenError, TooManyRequestsError)},
)
async def create_user(
    body: UserCreate, request: Request, response: Response, session: SessionDep
) -> UserResponse:
    """Make an account. Then sign in: `POST /api/keys` gives you a key."""
    await sign_up_limit.attempt(address=request.client.host if request.client else "unknown", email="")
    user = User(
        email=body.email,
        email_key=email_key(body.email),
        name=body.name,
        password_hash=await hash_password(body.password),
    )
    session.add(user)
    try:
        await session.flush()
    except IntegrityError as exc:
        if violation(exc) != "unique":
            raise
        raise EmailTakenError from None
    on_commit(session, log.info, "signed_up", user_id=user.id)
    response.headers["Location"] = location(request, "/api/users/me")
    return UserResponse.model_validate(user)


@router.get("/me", summary="Who you are", responses=responses(UserNotFoundError))
async def read_me(user: UserDep) -> UserResponse:
    """Read your own account. The service key alone is nobody: 404."""
    return UserResponse.model_validate(user)
