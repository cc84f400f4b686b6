"""Notes, without Stanchion: plain path operations over the same tables."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Annotated, Any

from fastapi import APIRouter, Depends, FastAPI, Header, Path, Query, Request, Response
from pydantic import MISSING, AwareDatetime, BaseModel, ConfigDict, Field
from sqlalchemy import delete, select, update

from dependencies import UserId
from errors import Problem, handle_errors
from models import Note, SessionDep, engine

NoteId = Annotated[int, Path(ge=1, le=2**31 - 1)]
NOT_FOUND = Problem(404, "note_not_found", "Note not found")
CHANGED = Problem(
    412, "precondition_failed", "It has changed since you read it: read it again, then repeat your change."
)


class NoteCreate(BaseModel):
    text: str = Field(min_length=1, max_length=200)
    pinned: bool = False


class NoteUpdate(BaseModel):
    text: str | MISSING = Field(MISSING, min_length=1, max_length=200)
    pinned: bool | MISSING = MISSING


class NoteResponse(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    id: int
    text: str
    pinned: bool
    created_at: AwareDatetime


router = APIRouter(prefix="/notes")


@router.get("", response_model=list[NoteResponse])
async def list_notes(
    session: SessionDep,
    user_id: UserId,
    pinned: bool | None = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    offset: Annotated[int, Query(ge=0, le=1_000_000)] = 0,
) -> Sequence[Note]:
    """List the caller's notes."""
    mine = select(Note).where(Note.owner_id == user_id).order_by(Note.id).limit(limit).offset(offset)
    return (await session.scalars(mine if pinned is None else mine.where(Note.pinned == pinned))).all()


@router.post("", status_code=201, response_model=NoteResponse)
async def create_note(
    body: NoteCreate, session: SessionDep, user_id: UserId, request: Request, response: Response
) -> Note:
    """Write a note."""
    note = Note(**body.model_dump(), owner_id=user_id)
    session.add(note)
    await session.flush()
    response.headers["Location"] = f"{request.url.path}/{note.id}"
    response.headers["ETag"] = f'"{note.version}"'
    return note


async def find(note_id: NoteId, session: SessionDep, user_id: UserId) -> Note:
    """Return one of the caller's notes."""
    mine = select(Note).where(Note.id == note_id, Note.owner_id == user_id)
    note = (await session.scalars(mine)).one_or_none()
    if note is None:
        raise NOT_FOUND
    return note


NoteDep = Annotated[Note, Depends(find)]
IfMatch = Annotated[str | None, Header()]


def unchanged(note: Note, if_match: str | None) -> Any:
    """Return the condition of a write: the row is as it was read, and as the client has it."""
    if if_match not in (None, "*", f'"{note.version}"'):
        raise CHANGED
    return (Note.id == note.id) & (Note.version == note.version)


@router.get("/{note_id}", response_model=NoteResponse)
async def read_note(note: NoteDep, response: Response) -> Note:
    """Read a note."""
    response.headers["ETag"] = f'"{note.version}"'
    return note


@router.put("/{note_id}", response_model=NoteResponse)
@router.patch("/{note_id}", response_model=NoteResponse)
async def update_note(
    note: NoteDep, body: NoteUpdate, session: SessionDep, response: Response, if_match: IfMatch = None
) -> Note:
    """Change the fields that are sent."""
    changes = body.model_dump(exclude_unset=True)
    if changes:
        statement = update(Note).where(unchanged(note, if_match))
        statement = statement.values(**changes, version=note.version + 1)
        if (await session.scalars(statement.returning(Note))).one_or_none() is None:
            raise CHANGED
    response.headers["ETag"] = f'"{note.version}"'
    return note


@router.delete("/{note_id}", status_code=204)
async def delete_note(note: NoteDep, session: SessionDep, if_match: IfMatch = None) -> None:
    """Delete a note."""
    statement = delete(Note).where(unchanged(note, if_match)).returning(Note.id)
    if await session.scalar(statement) is None:
        raise CHANGED


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    yield
    await engine.dispose()


app = FastAPI(lifespan=lifespan)
handle_errors(app)
app.include_router(router)


@app.get("/health")
async def health() -> dict[str, str]:
    return {"status": "healthy"}
