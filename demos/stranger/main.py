"""Private notes, by somebody who has never heard of Stanchion. It has tests, and they pass."""

import hashlib
import logging
import os
import secrets
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from typing import Annotated

from fastapi import Depends, FastAPI, HTTPException, Query
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from sqlmodel import Field, Session, SQLModel, create_engine, select

logger = logging.getLogger(__name__)
engine = create_engine(os.environ.get("DATABASE_URL", "sqlite:///./notes.db"))


class User(SQLModel, table=True):
    id: int | None = Field(default=None, primary_key=True)
    username: str = Field(unique=True)
    salt: bytes
    password_hash: bytes
    token: str | None = Field(default=None, index=True)


class Note(SQLModel, table=True):
    id: int | None = Field(default=None, primary_key=True)
    text: str
    owner_id: int = Field(foreign_key="user.id")


class Credentials(SQLModel):
    username: str = Field(min_length=1, max_length=100)
    password: str = Field(min_length=8, max_length=100)


class UserPublic(SQLModel):
    id: int
    username: str


class Token(SQLModel):
    access_token: str


class NoteCreate(SQLModel):
    text: str = Field(max_length=1000)


class NotePublic(NoteCreate):
    id: int


def hashed(password: str, salt: bytes) -> bytes:
    return hashlib.scrypt(password.encode(), salt=salt, n=2**12, r=8, p=1)


def get_session() -> Iterator[Session]:
    with Session(engine) as session:
        yield session


SessionDep = Annotated[Session, Depends(get_session)]


def get_user(
    sent: Annotated[HTTPAuthorizationCredentials, Depends(HTTPBearer())], session: SessionDep
) -> User:
    user = session.exec(select(User).where(User.token == sent.credentials)).first()
    if user is None:
        logger.warning("a token that nobody has")
        raise HTTPException(401, "Not signed in")
    return user


UserDep = Annotated[User, Depends(get_user)]


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    SQLModel.metadata.create_all(engine)
    yield
    engine.dispose()


app = FastAPI(title="Private notes", lifespan=lifespan)


@app.post("/users", status_code=201, response_model=UserPublic)
def sign_up(body: Credentials, session: SessionDep) -> User:
    """Make an account."""
    if session.exec(select(User).where(User.username == body.username)).first():
        raise HTTPException(409, "This name is taken")
    salt = secrets.token_bytes(16)
    user = User(username=body.username, salt=salt, password_hash=hashed(body.password, salt))
    session.add(user)
    session.commit()
    return user


@app.post("/login")
def sign_in(body: Credentials, session: SessionDep) -> Token:
    """Get a token for a name and a password."""
    user = session.exec(select(User).where(User.username == body.username)).first()
    if user is None or not secrets.compare_digest(hashed(body.password, user.salt), user.password_hash):
        logger.warning("a wrong password")
        raise HTTPException(401, "Wrong name or password")
    user.token = secrets.token_urlsafe(32)
    session.commit()
    return Token(access_token=user.token)


@app.post("/notes", status_code=201, response_model=NotePublic)
def create_note(body: NoteCreate, session: SessionDep, user: UserDep) -> Note:
    """Write a note."""
    note = Note(text=body.text, owner_id=user.id)
    session.add(note)
    session.commit()
    return note


@app.get("/notes", response_model=list[NotePublic])
def list_notes(
    session: SessionDep, user: UserDep, limit: Annotated[int, Query(ge=1, le=100)] = 50
) -> Sequence[Note]:
    """List one's own notes."""
    return session.exec(select(Note).where(Note.owner_id == user.id).limit(limit)).all()


@app.get("/notes/{note_id}", response_model=NotePublic)
def read_note(note_id: int, session: SessionDep, user: UserDep) -> Note:
    """Read a note."""
    note = session.get(Note, note_id)
    if note is None:
        raise HTTPException(404, "Note not found")
    return note


@app.delete("/notes/{note_id}", status_code=204)
def delete_note(note_id: int, session: SessionDep, user: UserDep) -> None:
    """Delete one of one's own notes."""
    note = session.get(Note, note_id)
    if note is None or note.owner_id != user.id:
        raise HTTPException(404, "Note not found")
    session.delete(note)
    session.commit()
