from fastapi import FastAPI

app = FastAPI()


@app.get("/todos")
def list_todos() -> list[str]:
    """List your todos, oldest first."""
    return []


@app.get("/users", summary="List users", operation_id="list_users")
def list_users() -> list[str]:
    return []


@app.get("/keys", description="Those that are not revoked.", operation_id="list_keys")
def list_keys() -> list[str]:
    return []


@app.get("/internal", include_in_schema=False)
def internal() -> list[str]:
    return []
