"""Parameters that are known only at run time, as FastAPI reads them."""

from collections.abc import Callable, Collection, Mapping
from inspect import Parameter, Signature
from types import FunctionType
from typing import Any, TypeVar

Function = TypeVar("Function", bound=Callable[..., Any])
_REQUEST_ALONE = "__stanchion_request_alone__"
_INNER = "__stanchion_inner__"
_CALL = "__call__"


def of_request_alone(function: Function) -> Function:
    """Mark a dependency that reads the request itself: its other parameters are for the document alone.

    All of them have defaults, which it may be called with, and no validation that could fail.
    """
    setattr(function, _REQUEST_ALONE, function)
    return function


def asks_request_alone(call: Any) -> bool:
    """Tell whether a dependency is marked so, or the `__call__` of its class.

    A mark is of one function: `functools.wraps` gives it to others, too, which may ask for more.
    """
    called = call if isinstance(call, FunctionType) else getattr(type(call), _CALL, None)
    return called is not None and getattr(called, _REQUEST_ALONE, None) is called


def passed_by(inner: Any, outer: Function) -> Function:
    """Mark a function around another which an answer that comes a shorter way has no need of."""
    setattr(outer, _INNER, (outer, inner))
    return outer


def innermost(function: Any) -> Any:
    """Return what is inside of all functions that are marked so."""
    while True:
        outer, inner = getattr(function, _INNER, (None, None))
        if outer is not function:  # no mark, or that of another, which `functools.wraps` has copied
            return function
        function = inner


def with_parameters(
    function: Function, annotations: Mapping[str, Any], *, optional: Collection[str] = ()
) -> Function:
    """Give a new function the parameters that FastAPI is to read: by keyword, an `optional` one is None.

    `function` is changed, so it must be one that was made for this call.
    """
    function.__signature__ = Signature(  # type: ignore[attr-defined] # what inspect looks for (PEP 362)
        [
            Parameter(
                name,
                Parameter.KEYWORD_ONLY,
                annotation=annotation,
                default=None if name in optional else Parameter.empty,
            )
            for name, annotation in annotations.items()
        ]
    )
    return function
