"""/health says that the process answers, /health/ready that it can do its work."""

from fastapi import FastAPI
from pydantic import BaseModel, Field

from stanchion.database import Database
from stanchion.errors import UnavailableError, responses


class Health(BaseModel):
    """The answer of a healthy backend."""

    status: str = Field("healthy", examples=["healthy"])


class SchemaOutdatedError(UnavailableError):
    """503: the database's schema is not the one that this code was written for."""

    default_message = "The database's schema is not current: run `stanchion migrate`."
    default_code = "schema_outdated"


def add_health(app: FastAPI, database: Database | None) -> None:
    """Add `GET /health` and, where there is a database, `GET /health/ready`: before a path that takes any."""
    routes = app.router.routes
    others = len(routes)
    _add(app, database)
    routes[:] = [*routes[others:], *routes[:others]]


def _add(app: FastAPI, database: Database | None) -> None:
    @app.get("/health", summary="Whether the process answers", tags=["health"])
    async def health() -> Health:
        return Health()

    if database is None:
        return

    @app.get(
        "/health/ready",
        summary="Whether the database answers and its schema is current",
        tags=["health"],
        responses=responses(UnavailableError, SchemaOutdatedError),
    )
    async def ready() -> Health:
        if not await database.schema_is_current():
            raise SchemaOutdatedError
        return Health()
