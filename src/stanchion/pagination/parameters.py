"""The query parameters that a path operation knows: those of all its dependencies.

A route has its own; the place where it is included has those of `include_router` too.
"""

from collections.abc import Iterator
from typing import Any

from fastapi import Request
from fastapi.dependencies.models import Dependant
from fastapi.dependencies.utils import (
    _get_flat_fields_from_params,
    _get_param_aliases,
    _get_param_model,
    get_dependant,
)
from fastapi.exceptions import RequestValidationError
from fastapi.security import APIKeyQuery

from stanchion.place import place

PROVEN_ON = ("0.165",)
"""The FastAPI versions that `tests/pagination/test_parameters.py` has been run on."""

_NAME = "stanchion_query"


def refuse_unknown(request: Request) -> None:
    """Raise RequestValidationError (422), which names them, where parameters came that nothing declares.

    A model with `extra="forbid"` would refuse those of the dependencies beside it. Where one of these
    declares a model with `extra="allow"`, nothing is unknown. Outside a path operation nothing is refused.
    """
    known = _known(request)
    unknown = [] if known is None else [name for name in request.query_params if name not in known]
    if unknown:
        raise RequestValidationError(
            [
                {
                    "type": "extra_forbidden",
                    "loc": ("query", name),
                    "msg": "Extra inputs are not permitted",
                    "input": request.query_params[name],
                }
                for name in unknown
            ]
        )


def _known(request: Request) -> frozenset[str] | None:
    """Return the names that are declared; None where any may come."""
    plan = place(request.scope)
    dependant = getattr(plan, "dependant", None)
    if dependant is None:
        return None
    overrides = getattr(request.app, "dependency_overrides", {})
    if overrides:  # of tests, and of this moment
        return _names(dependant, overrides)
    if not hasattr(plan, _NAME):
        setattr(plan, _NAME, _names(dependant, {}))
    known: frozenset[str] | None = getattr(plan, _NAME)
    return known


def _names(dependant: Dependant, overrides: dict[Any, Any]) -> frozenset[str] | None:
    names: set[str] = set()
    for one in _all(dependant, overrides):
        if isinstance(one.call, APIKeyQuery):
            names.add(one.call.model.name)
        for field in one.query_params:
            model = _get_param_model(field)
            if model is not None and model.model_config.get("extra") == "allow":
                return None
            for flat in _get_flat_fields_from_params([field]):
                names.update(request_name for _, request_name in _get_param_aliases(flat))
    return frozenset(names)


def _all(dependant: Dependant, overrides: dict[Any, Any]) -> Iterator[Dependant]:
    """Give it and what it depends on, as FastAPI solves them."""
    yield dependant
    for one in dependant.dependencies:
        other = overrides.get(one.call)
        yield from _all(one if other is None else get_dependant(path=one.path or "", call=other), overrides)
