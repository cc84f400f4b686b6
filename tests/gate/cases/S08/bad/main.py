import secrets
from typing import Annotated

from fastapi import Depends, FastAPI, HTTPException, Security
from fastapi.middleware.cors import CORSMiddleware
from fastapi.security import APIKeyHeader
from pydantic import BaseModel, ConfigDict

app = FastAPI()
app.add_middleware(
    CORSMiddleware,
    allow_origins=["http://localhost:3000"],
    allow_credentials=True,
    allow_methods=["GET", "POST", "PATCH", "DELETE"],
    allow_headers=["X-API-Key", "Content-Type"],
)
users: dict[str, str] = {}
keys: dict[str, str] = {}
notes: dict[int, "Note"] = {}
scheme = APIKeyHeader(name="X-API-Key", auto_error=False)


class UserCreate(BaseModel):
    email: str
    password: str


class User(BaseModel):
    email: str


class Key(BaseModel):
    key: str


class NoteCreate(BaseModel):
    model_config = ConfigDict(extra="allow")

    text: str


class NoteResponse(BaseModel):
    id: int
    text: str
    owner: str


class Note(NoteResponse):
    pass


def get_user(key: Annotated[str | None, Security(scheme)]) -> str:
    """Return whose key it is."""
    if key not in keys:
        raise HTTPException(401, "An API key is needed")
    return keys[key]


def find(note_id: int, user: str) -> Note:
    """Return a note of the user's."""
    note = notes.get(note_id)
    if note is None or note.owner != user:
        raise HTTPException(404, "Note not found")
    return note


@app.post("/users", status_code=201)
async def create_user(body: UserCreate) -> User:
    """Sign up."""
    if body.email in users:
        raise HTTPException(409, "Email already taken")
    users[body.email] = body.password
    return User(email=body.email)


@app.post("/keys", status_code=201)
async def create_key(body: UserCreate) -> Key:
    """Sign in."""
    if not secrets.compare_digest(users.get(body.email, "").encode(), body.password.encode()):
        raise HTTPException(401, "Wrong email or password")
    key = secrets.token_urlsafe(32)
    keys[key] = body.email
    return Key(key=key)


@app.get("/notes")
async def list_notes(user: Annotated[str, Depends(get_user)]) -> list[NoteResponse]:
    """List your notes."""
    return [note for note in notes.values() if note.owner == user]


@app.post("/notes", status_code=201)
async def create_note(body: NoteCreate, user: Annotated[str, Depends(get_user)]) -> NoteResponse:
    """Create a note."""
    note = Note(**{"id": len(notes) + 1, "owner": user, **body.model_dump()})
    notes[note.id] = note
    return note


@app.get("/notes/{note_id}")
async def read_note(note_id: int, user: Annotated[str, Depends(get_user)]) -> NoteResponse:
    """Read a note."""
    return find(note_id, user)


@app.patch("/notes/{note_id}")
async def update_note(note_id: int, body: NoteCreate, user: Annotated[str, Depends(get_user)]) -> NoteResponse:
    """Change a note."""
    note = find(note_id, user)
    note.text = body.text
    return note


@app.delete("/notes/{note_id}", status_code=204)
async def delete_note(note_id: int, user: Annotated[str, Depends(get_user)]) -> None:
    """Delete a note."""
    find(note_id, user)
    notes[note_id].owner = ""
