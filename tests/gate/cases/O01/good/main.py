from fastapi import FastAPI

app = FastAPI()


@app.get("/todos/{todo_id}", summary="Read a todo")
def read_todo(todo_id: int) -> str:
    return f"Todo {todo_id}"


@app.get("/todos", summary="List todos", openapi_extra={"tags": ["todos"]})
def list_todos() -> list[str]:
    return []


@app.get("/files/{file_path:path}", summary="Read a file")
def read_file(file_path: str) -> str:
    return file_path
