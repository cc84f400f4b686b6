"""Which FastAPI is installed, and whether the compiled route was proven on it."""

import fastapi

PROVEN_ON = ("0.165",)
"""The FastAPI versions whose own tests, and tests/routing, have been run with the compiled route."""


def unproven() -> str | None:
    """Return why no route is compiled with the FastAPI that is installed, or None where they are."""
    if fastapi.__version__.rpartition(".")[0] in PROVEN_ON:
        return None
    return f"FastAPI {fastapi.__version__} is none that routes are compiled for ({', '.join(PROVEN_ON)})"
