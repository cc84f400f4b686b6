"""
# O06: the declared security is not what the dependencies check

## What it does
Looks for operations with a dependency that checks a key or finds the user, by the headers and cookies that
it reads or by its name, whose document declares no security. And for the reverse: operations that declare
security where nothing reads a key.

## Why it is bad
The document says that an operation is public, and it answers 401: **Authorize** at `/docs` sends nothing,
and generated clients have no place for a key. In the reverse, readers trust in a lock that is not there.

## Example
```python
def get_api_key(x_api_key: Annotated[str, Header()]) -> str:
```

## Use instead
```python
scheme = APIKeyHeader(name="X-API-Key")

def get_api_key(x_api_key: Annotated[str, Security(scheme)]) -> str:
```
"""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass

from stanchion.gate.model import Finding, Kind, Line, Severity, Verdict, rule
from stanchion.gate.names import assignments, dotted_path, functions, last
from stanchion.gate.source import Module
from stanchion.gate.subject import Operation, Route, Subject

_KEY = re.compile(
    r"authorization|(x-)?([a-z0-9]+-)*api-?key|(x-)?auth|x-key|jwt"
    r"|(x-)?((access|admin|api|auth|bearer|internal|service|user)-)?token|(x-)?(api-)?secret(-key)?",
)
"""Headers and cookies; no Idempotency-Key, and no X-CSRF-Token."""
_CHECK = re.compile(
    r"_*(get_|require_|check_|verify_|validate_|ensure_)?"
    r"(api_?key|(current|authenticated|logged_in)_([a-z]+_)*(user|superuser|admin|account|principal))"
    r"|_*(require|check|verify|validate|ensure)_(valid_)?"
    r"(key|(access_|auth_|bearer_)?token|jwt|credentials|auth|authentication|authenticated|authorization|login"
    r"|user|admin)"
    r"|_*(authenticate|authorize)(_user|_request)?|(login|auth|token|key)_required"
)
_OF_REQUEST = ("headers", "cookies", "session", "state", "auth", "user")
_REQUESTS = ("Request", "HTTPConnection", "WebSocket")
_FUNCTION = (ast.FunctionDef, ast.AsyncFunctionDef)
_HARMLESS = ("CORSMiddleware", "GZipMiddleware", "TrustedHostMiddleware", "HTTPSRedirectMiddleware")


@dataclass(frozen=True)
class _Reads:
    """What the source of a dependency reads of a request."""

    named: frozenset[str]
    """Headers and cookies: `x-api-key`."""
    request: bool
    """It takes the request itself."""
    who: bool
    """It reads a part of the request that may say who is asking."""


@rule(
    "O06",
    "The declared security is what the dependencies check",
    severity=Severity.major,
    kind=Kind.static,
    line=Line.openapi,
)
def security_declared(subject: Subject) -> Iterator[Finding]:
    """Compare the two, for each operation."""
    for operation in subject.document.operations:
        route = subject.route(operation)
        if route is None:
            continue
        declared = subject.document.security(operation)
        if not any(declared):
            found = _check(subject, route)
            if found:
                yield Finding(
                    message=f"{found} checks who is asking, and the document declares no security.",
                    verdict=Verdict.suspected,
                    evidence=f"{operation.name} depends on {found}; security: {declared}",
                    advice="Read the key through a scheme of fastapi.security, such as "
                    'APIKeyHeader(name="X-API-Key") or HTTPBearer().',
                    **subject.where(operation),
                )
        elif all(declared) and not route.secured and _nothing_reads(subject, operation, route):
            names = ", ".join(sorted({name for requirement in declared for name in requirement}))
            yield Finding(
                message=f"The document declares {names}, which nothing reads.",
                verdict=Verdict.suspected,
                evidence=f"security: {declared}; dependencies: {list(route.dependencies)}",
                advice="Depend on what checks the key, which declares it too, or take the declaration out "
                "of openapi_extra or the custom openapi().",
                **subject.where(operation),
            )


def _check(subject: Subject, route: Route) -> str:
    """Return the name of a dependency that looks like a check of a key or a user."""
    if route.secured:
        return f"fastapi.security's {route.secured[0]}"
    for name in route.dependencies:
        reads = _reads(subject, name)
        says_so = _CHECK.fullmatch(name.rpartition(".")[2]) is not None
        if reads is None:
            if says_so:
                return name
        elif any(_KEY.fullmatch(one) for one in reads.named) or (says_so and (reads.who or reads.named)):
            return name
    return ""


def _nothing_reads(subject: Subject, operation: Operation, route: Route) -> bool:
    """Tell whether neither a middleware, nor a dependency, nor the function itself can see a key."""
    if any(one.get("class") not in _HARMLESS for one in subject.app.middleware):
        return False
    if any(parameter.get("in") in ("header", "cookie") for parameter in operation.parameters):
        return False
    if any(kind in parameter.get("annotation", "") for parameter in route.parameters for kind in _REQUESTS):
        return False
    return all(
        (reads := _reads(subject, name)) is not None and not (reads.named or reads.request)
        for name in route.dependencies
    )


def _reads(subject: Subject, name: str) -> _Reads | None:
    """Return what a dependency reads; None where it is no function of the project."""
    found = _function(subject.code, name)
    if found is None:
        return None
    module, function = found
    named: set[str] = set()
    requests: set[str] = set()
    arguments = function.args
    positional = [*arguments.posonlyargs, *arguments.args]
    without = [None] * (len(positional) - len(arguments.defaults))
    defaults = [*without, *arguments.defaults, *arguments.kw_defaults]
    for one, default in zip([*positional, *arguments.kwonlyargs], defaults, strict=True):
        annotation = one.annotation
        if isinstance(annotation, ast.Name) and annotation.id in assignments(module):
            annotation = assignments(module)[annotation.id][-1]  # KeyHeader = Annotated[str, Header()]
        for part in (annotation, default):
            for node in ast.walk(part) if part else ():
                if isinstance(node, ast.Call) and last(node.func) in ("Header", "Cookie"):
                    named.add(_alias(node) or one.arg.strip("_").replace("_", "-").lower())
                if isinstance(node, ast.Name | ast.Attribute) and last(node) in _REQUESTS:
                    requests.add(one.arg)
    who = False
    for node in ast.walk(function):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in requests:
            who = who or node.attr in _OF_REQUEST
        named |= {text for text in _asked(node, requests) if text}
    return _Reads(frozenset(named), bool(requests), who)


def _alias(call: ast.Call) -> str:
    for keyword in call.keywords:
        if keyword.arg in ("alias", "validation_alias") and isinstance(keyword.value, ast.Constant):
            return str(keyword.value.value).replace("_", "-").lower()
    return ""


def _asked(node: ast.AST, requests: set[str]) -> Iterator[str]:
    """Give `x-api-key` for `request.headers["X-API-Key"]` and `request.headers.get("X-API-Key")`."""
    if isinstance(node, ast.Subscript):
        holder, key = node.value, node.slice
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "get":
        if not node.args:
            return
        holder, key = node.func.value, node.args[0]
    else:
        return
    if (
        isinstance(holder, ast.Attribute)
        and holder.attr in ("headers", "cookies")
        and isinstance(holder.value, ast.Name)
        and holder.value.id in requests
        and isinstance(key, ast.Constant)
    ):
        yield str(key.value).replace("_", "-").lower()


def _function(
    modules: tuple[Module, ...], name: str
) -> tuple[Module, ast.FunctionDef | ast.AsyncFunctionDef] | None:
    """Return the function with this qualified name, or what an instance of the class runs when called."""
    parts = name.split(".")
    for length in range(len(parts) - 1, 0, -1):
        path = ".".join(parts[:length])
        for module in modules:
            own = dotted_path(module)
            if own != path and not own.endswith(f".{path}"):
                continue
            for node in module.walk():
                if isinstance(node, ast.ClassDef) and node.name == parts[-1]:
                    methods = {one.name: one for one in node.body if isinstance(one, _FUNCTION)}
                    method = methods.get("__call__") or methods.get("__init__")
                    return (module, method) if method else None
            for function in functions(module):
                if function.name == parts[-1]:
                    return module, function
    return None
