import secrets
from typing import Annotated

from fastapi import Depends, FastAPI, Header, HTTPException, Request, Security
from fastapi.security import APIKeyHeader

API_KEY = "read from the environment"
app = FastAPI()
scheme = APIKeyHeader(name="X-API-Key")


def get_api_key(x_api_key: Annotated[str, Security(scheme)]) -> str:
    if not secrets.compare_digest(x_api_key.encode(), API_KEY.encode()):
        raise HTTPException(401)
    return x_api_key


def get_current_user(key: Annotated[str, Depends(get_api_key)]) -> str:
    return "somebody"


def language(accept_language: Annotated[str, Header()] = "en") -> str:
    return accept_language


def once(idempotency_key: Annotated[str | None, Header()] = None) -> str | None:
    return idempotency_key


def verify_token(token: str) -> str:
    return token


def get_key(request: Request) -> str:
    return request.headers.get("X-Partition", "")


def from_header(request: Request) -> str:
    return get_api_key(request.headers.get("X-API-Key", ""))


@app.get("/todos", summary="List todos")
def list_todos(user: Annotated[str, Depends(get_current_user)]) -> list[str]:
    return [user]


@app.get("/greetings", summary="Greet", dependencies=[Depends(language), Depends(once), Depends(get_key)])
def list_greetings() -> list[str]:
    return []


@app.get("/confirmations", summary="Confirm an address", dependencies=[Depends(verify_token)])
def list_confirmations() -> list[str]:
    return []


@app.get(
    "/notes",
    summary="List notes",
    dependencies=[Depends(from_header)],
    openapi_extra={"security": [{"APIKeyHeader": []}]},
)
def list_notes() -> list[str]:
    return []
