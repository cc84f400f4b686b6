"""A shorter way to an answer, which a path operation may bring: a function of the request and its body."""

from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass
from typing import Any, TypeVar

from fastapi.datastructures import DefaultPlaceholder
from starlette.requests import Request
from starlette.responses import Response

Function = TypeVar("Function", bound=Callable[..., Any])
Short = Callable[[Request, Any], Awaitable[Response | None]]
"""Answers as the path operation and all that it depends on would, or returns None: then they are asked.

It raises what they would raise, and only what comes first of that. Beside the request it is given the body,
as FastAPI reads it for a path operation that has one: JSON decoded, PydanticUndefined where nothing was sent.
"""

_SHORT = "__stanchion_short__"


@dataclass(frozen=True, slots=True)
class _Offer:
    call: Callable[..., Any]
    make: Callable[[], Short | None]
    knows: tuple[Any, ...]


def shorten(call: Function, make: Callable[[], Short | None], knows: Collection[Any] = ()) -> Function:
    """Give a path operation a shorter way. `make` is called for each place where its route is planned.

    It is gone only where nothing has a say beside the path operation: no dependency of a router or an app
    but those that it `knows`, none that is overridden, no response class of its own.
    """
    setattr(call, _SHORT, _Offer(call, make, tuple(knows)))
    return call


def short_of(place: Any) -> Short | None:
    """Return the shorter way of a route, or of a place where it is included; None where it has none."""
    offer: _Offer | None = getattr(place.endpoint, _SHORT, None)
    if offer is None or not (offer.call is place.endpoint is place.dependant.call):
        return None  # `functools.wraps` gives the offer to what stands before the path operation, too
    if not isinstance(place.response_class, DefaultPlaceholder):
        return None
    if any(one.dependency not in offer.knows for one in place.dependencies):
        return None
    return offer.make()
