from fastapi import FastAPI, HTTPException
from fastapi.responses import PlainTextResponse
from pydantic import BaseModel, Field

app = FastAPI()
things: dict[int, "Thing"] = {}


class ThingCreate(BaseModel):
    name: str = Field(max_length=50)
    note: str = "none"


class ThingUpdate(BaseModel):
    name: str | None = None
    note: str | None = None


class Missing(BaseModel):
    detail: str


MISSING = {404: {"model": Missing}}


class Thing(ThingCreate):
    id: int


def find(thing_id: int) -> Thing:
    """Return a thing, or answer 404."""
    if thing_id not in things:
        raise HTTPException(404, "Thing not found")
    return things[thing_id]


@app.get("/things")
async def list_things(limit: int = 50) -> list[Thing]:
    """List things."""
    return list(things.values())[:limit]


@app.post("/things", status_code=201)
async def create_thing(body: ThingCreate) -> Thing:
    """Create a thing."""
    if any(thing.name == body.name for thing in things.values()):
        raise HTTPException(409, "There is a thing of this name")
    thing = Thing(id=len(things) + 1, **body.model_dump())
    things[thing.id] = thing
    return thing


@app.get("/things/{thing_id}", responses=MISSING)
async def read_thing(thing_id: int) -> Thing:
    """Read a thing."""
    return find(thing_id)


@app.patch("/things/{thing_id}", responses=MISSING)
async def update_thing(thing_id: int, body: ThingUpdate) -> Thing:
    """Change a thing."""
    thing = find(thing_id)
    things[thing_id] = thing.model_copy(update=body.model_dump(exclude_unset=True))
    return things[thing_id]


@app.delete("/things/{thing_id}", status_code=204, responses=MISSING)
async def delete_thing(thing_id: int) -> None:
    """Delete a thing."""
    find(thing_id)
    things[thing_id].name = "deleted"
    del things[thing_id]


class FileCreate(BaseModel):
    title: str


LINES = {"content": {"application/x-ndjson": {"schema": {"type": "string"}}}}


@app.post("/files", status_code=201)
async def create_file(body: FileCreate) -> dict[str, int]:
    """Keep a file of one line."""
    return {"id": 1}


@app.get("/files/{file_id}", responses={200: LINES, **MISSING})
async def read_file(file_id: int) -> PlainTextResponse:
    """Read a file, whose one line happens to be JSON."""
    if file_id != 1:
        raise HTTPException(404, "File not found")
    return PlainTextResponse('{"title": "a"}\n', media_type="application/x-ndjson")
