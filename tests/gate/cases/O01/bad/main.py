from fastapi import FastAPI

app = FastAPI()


@app.get("/todos/{todo_id}", summary="Read a todo")
def read_todo() -> str:
    return "Buy milk"


@app.get("/todos", summary="List todos", openapi_extra={"tags": "todos"})
def list_todos() -> list[str]:
    return []
