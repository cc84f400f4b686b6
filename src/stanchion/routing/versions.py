"""Which FastAPI is installed, and whether the compiled route was proven on it."""

from contextlib import AsyncExitStack

import fastapi
import starlette

PROVEN_ON = ("0.165",)
"""The FastAPI versions whose own tests, and tests/routing, have been run with the compiled route."""

STARLETTES = ("1.10",)
"""The versions of Starlette that they were run on: much of what is around a handler is Starlette's."""


def unproven() -> str | None:
    """Return why no route is compiled with what is installed, or None where they are."""
    if _minor(fastapi.__version__) not in PROVEN_ON:
        return f"FastAPI {fastapi.__version__} is none that routes are compiled for ({', '.join(PROVEN_ON)})"
    if _minor(starlette.__version__) not in STARLETTES:
        known = ", ".join(STARLETTES)
        return f"Starlette {starlette.__version__} is none that routes are compiled for ({known})"
    if not hasattr(AsyncExitStack(), "_exit_callbacks"):
        return "Python does not tell whether an exit stack is used"
    return None


def _minor(version: str) -> str:
    return version.rpartition(".")[0]
