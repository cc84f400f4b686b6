"""
# C01: a function has no types

## What it does
Looks for public functions whose parameters or result have no annotation. The path operations are named as
such; one with a `response_model` needs no annotation for its result. Tests, migrations and scripts are left
out, and so are functions within functions.

## Why it is bad
FastAPI makes validation and documentation of the annotations: a parameter without one takes any string, a
result without one is not filtered and not documented. Elsewhere a type checker passes such a function by.

## Example
```python
@app.get("/todos/{todo_id}")
def read_todo(todo_id):
    ...
```

## Use instead
```python
@app.get("/todos/{todo_id}")
def read_todo(todo_id: int) -> TodoResponse:
    ...
```
"""

import ast
from collections.abc import Iterator

from stanchion.gate.model import Finding, Kind, Line, Severity, Verdict, rule
from stanchion.gate.names import last
from stanchion.gate.subject import Subject

Function = ast.FunctionDef | ast.AsyncFunctionDef

_METHODS = frozenset({"api_route", "delete", "get", "head", "options", "patch", "post", "put", "trace"})


@rule(
    "C01",
    "Every function has types",
    severity=Severity.minor,
    kind=Kind.static,
    line=Line.types,
)
def untyped_function(subject: Subject) -> Iterator[Finding]:
    """Find the functions, path operations first."""
    found = [
        (_decorator(function) is None, module, function, missing)
        for module in subject.code
        if module.tree is not None and not module.is_aside
        for function, is_method in _public(module.tree.body)
        if (missing := _missing(function, is_method=is_method))
    ]
    for plain, module, function, missing in sorted(found, key=lambda one: one[0]):
        what = "function" if plain else "path operation"
        yield Finding(
            message=f"The {what} {function.name} has no type for {_listed(missing)}.",
            verdict=Verdict.proven,
            file=module.path,
            line=function.lineno,
            evidence=module.line(function.lineno),
            advice=f"Annotate {_listed(missing)}.",
        )


def _public(body: list[ast.stmt], *, is_method: bool = False) -> Iterator[tuple[Function, bool]]:
    """Give the public functions of a module and of its public classes."""
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            if not node.name.startswith("_") or (is_method and node.name in ("__init__", "__call__")):
                yield node, is_method
        elif isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            yield from _public(node.body, is_method=True)
        elif isinstance(node, ast.If | ast.Try):
            yield from _public(node.body, is_method=is_method)
            yield from _public(node.orelse, is_method=is_method)


def _missing(function: Function, *, is_method: bool) -> list[str]:
    """Return what has no annotation: names of parameters, and `its result`."""
    decorators = [last(_called(one)) for one in function.decorator_list]
    given = [*function.args.posonlyargs, *function.args.args]
    if is_method and "staticmethod" not in decorators:
        given = given[1:]
    given += function.args.kwonlyargs
    given += [one for one in (function.args.vararg, function.args.kwarg) if one is not None]
    missing = [one.arg for one in given if one.annotation is None and not one.arg.startswith("_")]
    decorator = _decorator(function)
    modelled = decorator is not None and any(one.arg == "response_model" for one in decorator.keywords)
    # With its parameters annotated, type checkers take `__init__` for typed.
    settled = modelled or (function.name == "__init__" and not missing)
    if function.returns is None and not settled:
        missing.append("its result")
    return missing


def _decorator(function: Function) -> ast.Call | None:
    """Return the decorator that makes it a path operation: `@router.get("/todos")`."""
    for one in function.decorator_list:
        if (
            isinstance(one, ast.Call)
            and isinstance(one.func, ast.Attribute)
            and one.func.attr in _METHODS
            and one.args
        ):
            return one
    return None


def _called(node: ast.expr) -> ast.expr:
    return node.func if isinstance(node, ast.Call) else node


def _listed(names: list[str]) -> str:
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1])))
