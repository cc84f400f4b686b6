from collections.abc import AsyncIterator, Iterator

from fastapi import FastAPI
from fastapi.responses import FileResponse, HTMLResponse, PlainTextResponse, RedirectResponse, StreamingResponse
from fastapi.sse import EventSourceResponse
from pydantic import BaseModel

app = FastAPI()


class Todo(BaseModel):
    id: int
    title: str


@app.get("/todos", summary="List todos")
def list_todos() -> list[Todo]:
    return [Todo(id=1, title="Buy milk")]


@app.delete("/todos/{todo_id}", status_code=204, summary="Delete a todo")
def delete_todo(todo_id: int) -> None:
    return None


@app.get("/page", response_class=HTMLResponse, summary="A page")
def page() -> str:
    return "<h1>Todos</h1>"


@app.get("/text", response_class=PlainTextResponse, summary="A text")
def text() -> str:
    return "Todos"


@app.get("/file", response_class=FileResponse, summary="A file")
def file() -> str:
    return __file__


@app.get("/old", response_class=RedirectResponse, status_code=307, summary="Elsewhere")
def old() -> str:
    return "/todos"


@app.get("/events", response_class=EventSourceResponse, summary="Todos as they change")
async def events() -> AsyncIterator[Todo]:
    yield Todo(id=1, title="Buy milk")


@app.get("/export", response_class=StreamingResponse, summary="All of it")
def export() -> Iterator[str]:
    yield "Buy milk"


@app.get("/internal", include_in_schema=False)
def internal() -> dict[str, str]:
    return {}
