"""CompiledRoute: a route of FastAPI whose work for each request is planned once, before the first."""

from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter, FastAPI, Request, Response
from fastapi import routing as fastapi_routing
from fastapi.routing import APIRoute, iter_route_contexts

from stanchion.routing.versions import unproven

if unproven() is None:  # what plans know of FastAPI's insides may not even be there in another version
    from stanchion.routing.plan import Plan, Refused

_OUTCOME = "stanchion_plan"
"""The attribute of a route, or of a place where it is included, that has its Plan, or why there is none."""


class CompiledRoute(APIRoute):
    """A route that answers as FastAPI's own does, in less time: `APIRouter(route_class=CompiledRoute)`.

    A signature that is not understood in full is left to FastAPI's own handler; `compiled` and `reason` tell.
    A class that wraps the handler, such as `ReplyRoute`, stands before this one among the bases.
    """

    @property
    def compiled(self) -> bool:
        """Whether the route, as it was declared, does not need FastAPI's own handler."""
        return self.reason is None

    @property
    def reason(self) -> str | None:
        """Why FastAPI's own handler serves the route, or None where it is compiled.

        `survey` tells it for each place where the route is included, with the dependencies added there.
        """
        return _reason(self)

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return the handler of the route, or of the place where FastAPI includes it now."""
        own = super().get_route_handler()
        if unproven():
            return own
        context = fastapi_routing._effective_route_context_var.get()
        place = self if context is None or context.original_route is not self else context
        try:
            plan = Plan(place, own)
        except Refused as refused:
            setattr(place, _OUTCOME, str(refused))
            return own
        except Exception as error:  # FastAPI would say what is wrong when a request or OpenAPI asks
            setattr(place, _OUTCOME, f"it could not be planned: {error!r}")
            return own
        setattr(place, _OUTCOME, plan)
        return plan.handle


@dataclass(frozen=True, slots=True)
class Surveyed:
    """One path operation of an app: where it is, and why it is not compiled, or None."""

    path: str
    methods: frozenset[str]
    reason: str | None

    @property
    def compiled(self) -> bool:
        """Whether it does not need FastAPI's own handler."""
        return self.reason is None


def survey(app: FastAPI | APIRouter) -> Iterator[Surveyed]:
    """Tell of each path operation whether it is compiled, with what is added where its router is included.

    FastAPI works that out on the first request; this, called at start-up, does it then.
    """
    for context in iter_route_contexts(app.routes):
        route = context.original_route
        if isinstance(route, APIRoute):
            place = context._effective_route
            reason = _reason(place) if isinstance(route, CompiledRoute) else f"it is {type(route).__name__}"
            yield Surveyed(context.path or "", frozenset(context.methods or ()), reason)


def plan_of(place: Any) -> "Plan | None":
    """Return the plan of a route, or of a place where it is included."""
    outcome = getattr(place, _OUTCOME, None)
    return outcome if unproven() is None and isinstance(outcome, Plan) else None


def _reason(place: Any) -> str | None:
    if reason := unproven():
        return reason
    outcome: Plan | str = getattr(place, _OUTCOME, "its class has a handler of its own")
    return outcome if isinstance(outcome, str) else outcome.reason
