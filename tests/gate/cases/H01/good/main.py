from fastapi import FastAPI
from fastapi.responses import HTMLResponse

app = FastAPI()


@app.get("/todos", summary="List todos")
def list_todos() -> list[str]:
    return []


@app.post("/todos", status_code=201, summary="Create a todo")
def create_todo() -> str:
    return "Buy milk"


@app.post("/todos/{todo_id}/archive", summary="Archive a todo")
def archive_todo(todo_id: int) -> int:
    return todo_id


@app.post("/lists/{list_id}/add-member", summary="Add a member")
def add_member(list_id: int) -> int:
    return list_id


@app.get("/updates", summary="List updates")
def list_updates() -> list[str]:
    return []


@app.get("/update", summary="Read the update")
def read_update() -> str:
    return "1.1"


@app.get("/list", summary="Read the list")
def read_list() -> list[str]:
    return []


@app.get("/list-items", summary="List the list's items")
def read_items() -> list[str]:
    return []


@app.get("/addresses", summary="List addresses")
def list_addresses() -> list[str]:
    return []


@app.get("/add-ons", summary="List add-ons")
def list_add_ons() -> list[str]:
    return []


@app.get("/todos/create", response_class=HTMLResponse, summary="The page with the form")
def form() -> str:
    return "<form method='post' action='/todos'></form>"
