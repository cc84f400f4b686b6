"""What the start makes lives as long as the process: the collector leaves it alone."""

import gc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI


def freeze_heap(app: FastAPI) -> None:
    """Set aside, once the app has started, what is alive by then: no collection walks it again.

    Once in a process: `stanchion run` has done it when it has loaded the app, and what the apps of a test
    suite leave behind is garbage.
    """
    lifespan = app.router.lifespan_context

    @asynccontextmanager
    async def freezing(app: Any) -> AsyncIterator[Any]:
        async with lifespan(app) as state:
            if not gc.get_freeze_count():
                gc.collect()
                gc.freeze()
            yield state

    app.router.lifespan_context = freezing
