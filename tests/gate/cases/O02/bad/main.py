from fastapi import FastAPI

app = FastAPI()


@app.get("/todos")
def list_todos() -> list[str]:
    return []


@app.get("/users", summary="List users", operation_id="list")
def list_users() -> list[str]:
    return []


@app.get("/keys", summary="List keys", operation_id="list")
def list_keys() -> list[str]:
    return []
