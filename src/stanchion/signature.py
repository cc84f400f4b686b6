"""Parameters that are known only at run time, as FastAPI reads them."""

from collections.abc import Callable, Collection, Mapping
from inspect import Parameter, Signature
from typing import Any, TypeVar

Function = TypeVar("Function", bound=Callable[..., Any])


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
