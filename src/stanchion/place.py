"""The one place that knows where FastAPI keeps the route that answers a request, as it is included.

A router that is included twice has each of its routes in two places, with the dependencies, the responses
and the path that each place adds.
"""

from typing import Any

from starlette.types import Scope

PROVEN_ON = ("0.165",)
"""The FastAPI versions that `tests/test_place.py` has been run on."""


def place(scope: Scope) -> Any:
    """Return the place of the route that answers, the route itself where none is included; else None.

    What is asked of it must be asked with `getattr`: a route may be Starlette's.
    """
    route = scope.get("route")
    included = scope.get("fastapi", {}).get("effective_route_context")
    # Below a mounted app it is still that of the mount.
    return included if route is None or getattr(included, "original_route", None) is route else route
