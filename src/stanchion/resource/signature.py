"""Functions whose parameters are known only when a resource is declared, as FastAPI reads them."""

from collections.abc import Callable, Mapping
from inspect import Signature, signature
from typing import Any

from stanchion.signature import Function, with_parameters


def typed(function: Function, name: str, doc: str, annotations: Mapping[str, Any]) -> Function:
    """Give a new function its name, its docstring, and the annotations of parameters named here.

    `function` is changed, so it must be one that was made for this call. A parameter without an
    annotation that is not named keeps none; one that is None here is not asked for, and has its default.
    """
    own = signature(function)
    function.__name__ = function.__qualname__ = name
    function.__doc__ = doc
    parameters = [
        one.replace(annotation=annotations.get(one.name, one.annotation))
        for one in own.parameters.values()
        if annotations.get(one.name, "") is not None
    ]
    function.__signature__ = Signature(  # type: ignore[attr-defined] # what inspect looks for (PEP 362)
        parameters, return_annotation=annotations.get("return", own.return_annotation)
    )
    return function


def given(annotations: Mapping[str, Any]) -> Callable[..., Any]:
    """Return a dependency that gives what its parameters gave, by name."""

    async def dependency(**values: Any) -> dict[str, Any]:
        return values

    return with_parameters(own(dependency), annotations)


def own(function: Function) -> Function:
    """Mark a dependency as a resource's own, which does nothing in a session that it comes by."""
    setattr(function, _IS_OWN, True)
    return function


def is_own(call: Any) -> bool:
    """Tell whether a dependency is marked so."""
    return bool(getattr(call, _IS_OWN, False))


_IS_OWN = "__stanchion_own__"
