"""The Todo API."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from database import database
from jobs import jobs
from routers import actions, files, keys, stream, todos, users
from schemas import Welcome
from settings import settings
from stanchion import install


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Runs around the whole life of the process."""
    yield
    await database.close()


app = FastAPI(
    title="Todo API",
    version="1.0.0",
    description="Todos, users and API keys. Press **Authorize** and paste a key: `API_KEY` from `.env`, "
    "or your own: sign up with `POST /api/users`, and sign in with `POST /api/keys`. Then open an operation "
    "and press **Try it out**.",
    openapi_tags=[
        {"name": "todos", "description": "Your todos; the service key's belong to no user."},
        {"name": "users", "description": "Sign up, and see who you are."},
        {"name": "keys", "description": "Sign in, which gives you an API key; list yours, revoke one."},
        {"name": "actions", "description": "What takes longer than a request, in the background."},
        {"name": "files", "description": "What an action is to read, and what one has made."},
        {"name": "stream", "description": "Server-Sent Events."},
        {"name": "health", "description": "Whether it works. These want no key."},
    ],
    lifespan=lifespan,
)

# Errors, CORS for settings.CORS_ORIGINS, body limit, request ids, logging, /health, /docs, background jobs.
install(app, settings, database, jobs=jobs)

for module in (todos, users, keys, actions, files, stream):
    app.include_router(module.router)


@app.get("/", summary="What this is", tags=["health"])
async def root() -> Welcome:
    """Say the API's name."""
    return Welcome(message="Todo API")
