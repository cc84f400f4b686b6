import hashlib
import os
import secrets
from collections.abc import Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

from fastapi import Depends, FastAPI, HTTPException, Security
from fastapi.security import APIKeyHeader
from sqlmodel import Field, Session, SQLModel, create_engine, select

engine = create_engine(os.environ.get("DATABASE_URL", "sqlite:///./notes.db"))
scheme = APIKeyHeader(name="X-API-Key", auto_error=False)


class User(SQLModel, table=True):
    id: int | None = Field(default=None, primary_key=True)
    email: str = Field(unique=True)
    salt: str
    hashed: str


class ApiKey(SQLModel, table=True):
    id: int | None = Field(default=None, primary_key=True)
    user_id: int = Field(foreign_key="user.id")
    digest: str = Field(unique=True)
    expires_at: datetime


class Credentials(SQLModel):
    email: str
    password: str


class UserResponse(SQLModel):
    id: int
    email: str


class KeyResponse(SQLModel):
    id: int
    key: str


class NoteResponse(SQLModel):
    text: str


def get_session() -> Iterator[Session]:
    """One session a request."""
    with Session(engine) as session:
        yield session


SessionDep = Annotated[Session, Depends(get_session)]


def hashed(password: str, salt: str) -> str:
    """Hash a password."""
    return hashlib.scrypt(password.encode(), salt=salt.encode(), n=2**10, r=8, p=1).hex()


def digest(key: str) -> str:
    """Return what is kept of a key."""
    return hashlib.sha256(key.encode()).hexdigest()


def get_user(key: Annotated[str | None, Security(scheme)], session: SessionDep) -> int:
    """Return whose key it is."""
    found = session.exec(select(ApiKey).where(ApiKey.digest == digest(key or ""))).first()
    if found is None or found.expires_at < datetime.now(UTC):
        raise HTTPException(401, "An API key is needed")
    return found.user_id


UserDep = Annotated[int, Depends(get_user)]


@asynccontextmanager
async def lifespan(app: FastAPI) -> Any:
    """Make the tables."""
    SQLModel.metadata.create_all(engine)
    yield


app = FastAPI(lifespan=lifespan)


@app.post("/users", status_code=201)
def create_user(body: Credentials, session: SessionDep) -> UserResponse:
    """Sign up."""
    if session.exec(select(User).where(User.email == body.email)).first():
        raise HTTPException(409, "Email already taken")
    salt = secrets.token_hex(8)
    user = User(email=body.email, salt=salt, hashed=hashed(body.password, salt))
    session.add(user)
    session.commit()
    return UserResponse(id=user.id, email=user.email)


@app.post("/keys", status_code=201)
def create_key(body: Credentials, session: SessionDep) -> KeyResponse:
    """Create a key, which is shown once."""
    user = session.exec(select(User).where(User.email == body.email)).first()
    if user is None or not secrets.compare_digest(user.hashed, hashed(body.password, user.salt)):
        raise HTTPException(401, "Wrong email or password")
    secret = secrets.token_urlsafe(32)
    key = ApiKey(user_id=user.id, digest=digest(secret), expires_at=datetime.now(UTC) + timedelta(days=30))
    session.add(key)
    session.commit()
    return KeyResponse(id=key.id, key=secret)


@app.delete("/keys/{key_id}", status_code=204)
def delete_key(key_id: int, session: SessionDep, user_id: UserDep) -> None:
    """Revoke a key."""
    key = session.get(ApiKey, key_id)
    if key is None or key.user_id != user_id:
        raise HTTPException(404, "Key not found")
    session.delete(key)
    session.commit()


@app.get("/notes")
def list_notes(user_id: UserDep) -> list[NoteResponse]:
    """List your notes."""
    return [NoteResponse(text=f"Welcome, user {user_id}")]
