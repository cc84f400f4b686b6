"""What the start makes lives as long as the process, and what a request makes no longer than it.

The garbage collector has little to do with either: it is told so.
"""

import asyncio
import gc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI

_YOUNG = 2000
"""New objects, at which the collector looks for circles: those of a dozen requests, which are under way and
hold none, are more than the 700 of Python 3.11. Not many more: one circle may hold a whole body."""
_SOON = 1.0
"""Seconds after the start until the first requests have made what lasts, too."""

_is_done = False
"""Once in a process: what the apps of a test suite leave behind is garbage."""


def freeze_heap(app: FastAPI) -> None:
    """Set aside, once the app has started, what is alive by then: no collection walks it again.

    Nor does one look through what is new before that is 2,000 objects; a larger threshold stays as it is.
    """
    lifespan = app.router.lifespan_context

    @asynccontextmanager
    async def freezing(app: Any) -> AsyncIterator[Any]:
        async with lifespan(app) as state:
            _set_aside()
            soon = asyncio.get_running_loop().call_later(_SOON, _give_back)
            try:
                yield state
            finally:
                soon.cancel()

    app.router.lifespan_context = freezing


def _set_aside() -> None:
    global _is_done
    if _is_done:
        return
    _is_done = True
    gc.collect()
    gc.freeze()
    young, *older = gc.get_threshold()
    if 0 < young < _YOUNG:  # 0 is for who has turned it off
        gc.set_threshold(_YOUNG, *older)


def _give_back() -> None:
    """Return to the system what only the start and the first requests have needed: 5 of 87 MB, with glibc."""
    try:
        import ctypes

        ctypes.CDLL(None).malloc_trim(0)
    except (ImportError, OSError, AttributeError, TypeError):
        return  # another library, or a system without one of all
