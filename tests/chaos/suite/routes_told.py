"""A plugin of pytest for FastAPI's own tests: writes how each ended, and which routes were compiled.

Each process writes a file of its own into the folder that STANCHION_SUITE_TOLD names.
"""

import json
import os
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from fastapi import routing

from stanchion.routing.route import CompiledRoute, _reason

reasons: Counter[str] = Counter()
"""Why each path operation, in each place where it is included, is not compiled, or `compiled`."""

outcomes: dict[str, str] = {}


def count(populate: Any) -> Any:
    """Count each route that FastAPI makes, whatever its class: it is looked at when the next one is made."""
    places: list[Any] = []

    def counted(route: Any, *arguments: Any, **named: Any) -> None:
        look(places)
        populate(route, *arguments, **named)
        places.append(route)

    pytest_sessionfinish.places = places  # type: ignore[attr-defined] # those that are left at the end
    return counted


def look(places: list[Any]) -> None:
    for place in places:
        route = getattr(place, "original_route", place)
        if not isinstance(route, CompiledRoute):
            reasons[f"a class of its own: {type(route).__name__}"] += 1
        else:
            reasons[_reason(place) or "compiled"] += 1
    places.clear()


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    if report.when == "call" or report.outcome != "passed":
        outcomes[report.nodeid] = report.outcome


def pytest_sessionfinish(session: pytest.Session) -> None:
    look(pytest_sessionfinish.places)  # type: ignore[attr-defined] # set above
    worker = getattr(session.config, "workerinput", {}).get("workerid", "all")
    folder = Path(os.environ["STANCHION_SUITE_TOLD"])
    told = {"outcomes": outcomes, "reasons": reasons}
    (folder / f"{worker}.json").write_text(json.dumps(told), encoding="utf-8")


routing._populate_api_route_state = count(routing._populate_api_route_state)
