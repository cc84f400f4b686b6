"""A worker inside the server's process: it begins after the app's start-up, and ends before its shutdown."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI

from stanchion.jobs import Jobs, Worker


def embed_worker(app: FastAPI, jobs: Jobs, *, concurrency: int, grace: float) -> None:
    """Run the jobs while the app is up; what its lifespan opens is there for them."""
    lifespan = app.router.lifespan_context

    @asynccontextmanager
    async def working(app: Any) -> AsyncIterator[Any]:
        async with lifespan(app) as state, Worker(jobs, concurrency=concurrency, grace=grace).running():
            yield state

    app.router.lifespan_context = working
