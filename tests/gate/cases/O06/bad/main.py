import secrets
from typing import Annotated

from fastapi import Depends, FastAPI, Header, HTTPException, Request, Security
from fastapi.security import APIKeyHeader

API_KEY = "read from the environment"
app = FastAPI()
scheme = APIKeyHeader(name="X-API-Key")


def check(key: str) -> None:
    if not secrets.compare_digest(key.encode(), API_KEY.encode()):
        raise HTTPException(401)


def from_header(x_api_key: Annotated[str, Header()]) -> None:
    check(x_api_key)


def require_key(request: Request) -> None:
    check(request.headers.get("X-Door", ""))


def declared(x_api_key: Annotated[str, Security(scheme)]) -> None:
    check(x_api_key)


@app.get("/todos", summary="List todos", dependencies=[Depends(from_header)])
def list_todos() -> list[str]:
    return []


@app.get("/users", summary="List users", dependencies=[Depends(require_key)])
def list_users() -> list[str]:
    return []


@app.get("/keys", summary="List keys", dependencies=[Depends(declared)])
def list_keys() -> list[str]:
    return []


@app.get("/notes", summary="List notes", openapi_extra={"security": [{"APIKeyHeader": []}]})
def list_notes() -> list[str]:
    return []
