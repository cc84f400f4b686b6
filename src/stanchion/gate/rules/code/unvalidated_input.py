"""
# C02: every input has a schema

## What it does
Finds operations that take their body as a bare `dict`, `list` or `Any`, or that read it, or the query,
out of the `Request` by themselves, and sends them what no client should get away with. A `5xx` is proven,
and so is a `2xx` where the code takes names out of the body; a refusal (`400`, `415`, `422`) clears it.

## Why it is bad
Nothing says what may come in: not the document, not the editor, not the answer to a wrong request. What is
missing is found at the first `KeyError`, a `500`, or later, in the data.

## Example
```python
@app.post("/things")
async def create_thing(body: dict) -> Thing:
    return save(name=body["name"])
```

## Use instead
```python
class ThingCreate(BaseModel):
    name: str

@app.post("/things")
async def create_thing(body: ThingCreate) -> Thing:
    return save(name=body.name)
```
"""

import ast
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from stanchion.gate.evidence import seen
from stanchion.gate.journey import json_schema
from stanchion.gate.live import Exchange
from stanchion.gate.model import Finding, Kind, Line, NotChecked, Severity, Verdict, rule
from stanchion.gate.names import body as within
from stanchion.gate.names import dotted, functions, last, origin
from stanchion.gate.source import Module
from stanchion.gate.subject import Operation, Route, Subject

Function = ast.FunctionDef | ast.AsyncFunctionDef

_JSON = "application/json"
_FORM = "application/x-www-form-urlencoded"
_NONSENSE = tuple((_JSON, text) for text in (b'{"stanchion": [1]}', b"[]", b'"text"'))
_MALFORMED = (_JSON, b"{")
_FIELD = (_FORM, b"stanchion=1")
_REFUSED = (400, 413, 415, 422)
_NAMED = re.compile(r"query_params(?:\.get(?:list)?\(|\[)\s*['\"](\w+)")
_UNSAID = (501, 503)
_TROUBLE = frozenset({"detail", "error", "errors", "message"})
"""Members of an answer that refuses in spite of its status."""
_ADVICE = "Declare it as a Pydantic model, or each value as a parameter with its type."


@dataclass(frozen=True)
class _Suspect:
    """An operation, and the line of its function that takes what has no schema."""

    operation: Operation
    what: str
    module: Module
    line: int
    takes_names: bool
    """The function reads members of it: what has none of them is wrong for it."""
    member: str = ""
    """Its name in the body, where the body has other members beside it."""


@rule(
    "C02",
    "Every input is validated",
    severity=Severity.major,
    kind=Kind.live,
    line=Line.inputs,
    turn=2,
)
def unvalidated_input(subject: Subject) -> Iterator[Finding]:
    """Suspect by the text and the document, then ask; the worst answer decides."""
    operations = [(one, route) for one in subject.document.operations if (route := subject.route(one))]
    own = [(one, route) for one, route in operations if route.file]
    if not own:
        raise NotChecked("no operation of the document is in the project's own files")
    why: NotChecked | None = None
    for operation, route in own:
        suspect = _suspect(subject, operation, route)
        if suspect is None:
            continue
        try:
            yield _judged(subject, suspect)
        except NotChecked as exc:
            why = exc
            yield _suspected(suspect)
    if why:
        raise why


def _suspect(subject: Subject, operation: Operation, route: Route) -> _Suspect | None:
    found = _function(subject, route)
    if found is None:
        return None
    module, function = found
    shapeless = _shapeless(subject, operation)
    for argument in (*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs):
        if argument.arg in shapeless:
            names = _takes_names(function, {argument.arg})
            what = f"its body, {argument.arg}, has no schema"
            member = argument.arg if shapeless[argument.arg] else ""
            return _Suspect(operation, what, module, argument.lineno, names, member)
    for holder, reader in (found, *_dependencies(subject, route)):
        if (read := _read(holder, reader)) is not None:
            what, line, names = read
            return _Suspect(operation, what, holder, line, names)
    return None


def _function(subject: Subject, route: Route) -> tuple[Module, Function] | None:
    for module in subject.code:
        if module.path == route.file:
            for function in functions(module):
                first = min((one.lineno for one in function.decorator_list), default=function.lineno)
                if route.line in (first, function.lineno):
                    return module, function
    return None


def _dependencies(subject: Subject, route: Route) -> Iterator[tuple[Module, Function]]:
    """Give the functions of the project that the operation depends on."""
    for name in route.dependencies:
        elsewhere = origin(subject.code, name)
        if elsewhere is not None:
            module, attribute = elsewhere
            yield from ((module, one) for one in functions(module) if one.name == attribute)


def _shapeless(subject: Subject, operation: Operation) -> dict[str, bool]:
    """Return the parameters that may hold anything, and whether each is a member of the body or all of it."""
    schema = json_schema(subject.document, operation)
    route = subject.route(operation)
    if not isinstance(schema, dict) or route is None:
        return {}
    names = {one["name"] for one in route.parameters} - {one.get("name") for one in operation.parameters}
    if "$ref" not in schema:
        # Of a body that is one parameter the document has the schema, and not the name.
        alike = {name for name in names if name.replace("_", " ").title() == schema.get("title")}
        return dict.fromkeys(alike, False) if _is_shapeless(schema) else {}
    if not str(schema["$ref"]).rpartition("/")[2].startswith("Body_"):
        return {}
    parts = subject.document.resolve(schema).get("properties", {})
    return {name: True for name, part in parts.items() if name in names and _is_shapeless(part)}


def _is_shapeless(schema: Any) -> bool:
    if not isinstance(schema, dict) or "$ref" in schema:
        return False
    for keyword in ("anyOf", "oneOf"):
        if keyword in schema:
            return any(_is_shapeless(one) for one in schema[keyword] if one.get("type") != "null")
    kind = schema.get("type")
    if kind == "array":
        return _is_shapeless(schema.get("items", {}))
    if kind == "object":
        return "properties" not in schema and schema.get("additionalProperties", True) in (True, {})
    return not set(schema) - {"title", "description", "default", "examples"}


def _read(module: Module, function: Function) -> tuple[str, int, bool] | None:
    """Return what a function reads out of its request by itself, where, and whether by name."""
    arguments = (*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs)
    requests = {
        one.arg
        for one in arguments
        if one.annotation and last_of(dotted(module, one.annotation)) == "Request"
    }
    if not requests:
        return None
    parses = any(
        isinstance(node, ast.Call) and dotted(module, node.func) == "json.loads" for node in within(function)
    )
    for node in within(function):
        if not isinstance(node, ast.Attribute) or last(node.value) not in requests:
            continue
        names = _takes_names(function, _holding(function, node))
        if node.attr == "query_params" and (names or _NAMED.search(module.line(node.lineno))):
            return "it takes its query out of the request by itself", node.lineno, names
        if node.attr in ("json", "form") or (node.attr == "body" and parses):
            return f"it reads its {node.attr} out of the request by itself", node.lineno, names
    return None


def last_of(name: str) -> str:
    """Return `Request` of `fastapi.Request`."""
    return name.rpartition(".")[2]


def _holding(function: Function, node: ast.AST) -> set[str]:
    """Return the names that what is read is kept under, and what is read from those."""
    held: set[str] = set()
    for _ in range(2):
        for one in within(function):
            if not isinstance(one, ast.Assign):
                continue
            inner = list(ast.walk(one.value))
            if node in inner or any(isinstance(part, ast.Name) and part.id in held for part in inner):
                held |= {target.id for target in one.targets if isinstance(target, ast.Name)}
    return held


def _takes_names(function: Function, held: set[str]) -> bool:
    """Tell whether it reads `body["name"]`, `body.get("name")`, or hands over `**body`."""
    for node in within(function):
        inner: ast.AST | None = None
        if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Constant):
            inner = node.value if isinstance(node.slice.value, str) else None
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            inner = node.func.value if node.func.attr in ("get", "pop") else None
        if isinstance(node, ast.keyword) and node.arg is None:
            inner = node.value
        if isinstance(inner, ast.Name) and inner.id in held:
            return True
    return False


def _judged(subject: Subject, suspect: _Suspect) -> Finding:
    """Ask, and return the finding with the verdict of the worst answer."""
    running, operation = subject.running, suspect.operation
    exchanges = []
    for method_headers, path, content in _requests(subject, suspect):
        exchange = running.live.send(
            operation.method, path, content=content, headers=method_headers, read_for=1
        )
        exchanges.append(exchange)
        broken = exchange.status >= 500 and exchange.status not in _UNSAID and not exchange.kept
        if broken or (suspect.takes_names and content and _is_taken(exchange)):
            return seen(
                subject,
                operation,
                exchange,
                message=f"Nonsense is answered {exchange.status}: {suspect.what}.",
                figure=suspect.module.line(suspect.line),
                advice=_ADVICE,
            )
    lacking = any(one.get("in") == "header" and one.get("required") for one in operation.parameters)
    if exchanges and not lacking and all(one.status in _REFUSED for one in exchanges):
        return replace(
            _suspected(suspect),
            verdict=Verdict.disproven,
            evidence=exchanges[-1].summary,
            curl=exchanges[-1].curl,
        )
    return _suspected(suspect)


def _requests(subject: Subject, suspect: _Suspect) -> Iterator[tuple[dict[str, str], str, bytes]]:
    running, operation = subject.running, suspect.operation
    headers = dict(running.who.headers) if running.who else {}
    path = running.journey.path(operation)
    if "query" in suspect.what:
        if operation.method == "GET":
            yield headers, path, b""
            for name in sorted(
                set(re.findall(r"query_params(?:\.get\(|\[)\s*['\"](\w+)", suspect.module.text))
            ):
                yield headers, f"{path}?{name}=stanchion", b""
        return
    sent = [*_NONSENSE]
    if "by itself" in suspect.what:
        sent = [_FIELD] if "form" in suspect.what else [*sent, _MALFORMED]
    if suspect.member:
        beside = running.journey.body(operation) or {}
        made = [{**beside, suspect.member: json.loads(content)} for _, content in sent]
        sent = [(_JSON, json.dumps(one).encode()) for one in made]
    for media, content in sent:
        yield {**headers, "Content-Type": media}, path, content


def _is_taken(exchange: Exchange) -> bool:
    """Tell whether it was taken for good: an answer that speaks of an error has refused it."""
    if not 200 <= exchange.status < 300:
        return False
    given = exchange.json
    if isinstance(given, dict):
        fine = given.get("success", True) is not False and given.get("ok", True) is not False
        return fine and not _TROUBLE & {str(name) for name in given}
    return exchange.media_type != "text/html"


def _suspected(suspect: _Suspect) -> Finding:
    return Finding(
        message=f"It is not said what may come in: {suspect.what}.",
        verdict=Verdict.suspected,
        operation=suspect.operation.name,
        file=suspect.module.path,
        line=suspect.line,
        evidence=suspect.module.line(suspect.line),
        advice=_ADVICE,
    )
