from fastapi import FastAPI

app = FastAPI()


@app.get("/getTodos", summary="List todos")
def list_todos() -> list[str]:
    return []


@app.post("/todos/create", status_code=201, summary="Create a todo")
def create_todo() -> str:
    return "Buy milk"


@app.post("/todos/{todo_id}/update", summary="Change a todo")
def update_todo(todo_id: int) -> int:
    return todo_id
