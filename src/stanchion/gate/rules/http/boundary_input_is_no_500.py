"""
# H08: input at the boundary breaks nothing

## What it does
Reads, changes and deletes each resource by ids at the edges of the integers (0, -1, 2^31, 2^63), sends a
NUL character in a field of text, and huge numbers in query parameters.

## Why it is bad
Each is an integer or a text by the schema, and each breaks a database: 2^63 does not fit a BIGINT, 2^31
no INTEGER, PostgreSQL keeps no NUL. Scanners send them all day; the error budget pays.

## Example
```python
@app.get("/todos/{todo_id}")
def read_todo(todo_id: int): ...
```

## Use instead
```python
TodoId = Annotated[int, Path(ge=1, le=2**63 - 1)]

@app.get("/todos/{todo_id}")
def read_todo(todo_id: TodoId): ...
```
"""

import json
from collections.abc import Iterable, Iterator
from typing import Any

from stanchion.gate.evidence import seen
from stanchion.gate.journey import Resource, id_of
from stanchion.gate.live import Exchange
from stanchion.gate.model import Finding, Kind, Line, Severity, rule
from stanchion.gate.subject import Operation, Subject

_IDS = (0, -1, 2**31, 2**63, 10**30)


@rule(
    "H08",
    "Input at the boundary is no 500",
    severity=Severity.major,
    kind=Kind.live,
    line=Line.exceptions,
)
def boundary_input_is_no_500(subject: Subject) -> Iterator[Finding]:
    """Ask for the edges, and report the first that breaks each operation."""
    for resource in subject.running.made():
        broken = set()
        for operation, exchange in _asked(subject, resource):
            # One that answers 500 to what it has answered before is broken by something else.
            if (
                exchange.status >= 500
                and operation.name not in broken
                and _usual(subject, resource, operation).status < 500
            ):
                broken.add(operation.name)
                yield seen(
                    subject,
                    operation,
                    exchange,
                    message=f"Input at the boundary is answered {exchange.status}.",
                    advice="Bound integers with ge and le, and texts with a pattern that leaves NUL out.",
                    after=subject.running.journey.creation(exchange.path),
                )


def _asked(subject: Subject, resource: Resource) -> Iterator[tuple[Operation, Exchange]]:
    """Ask every operation of a resource for what is at its edge."""
    running = subject.running
    for operation in filter(None, (resource.read, *resource.changes, resource.delete)):
        body = _change(subject, resource, operation)
        for one in _IDS:
            path = resource.item(one)
            if operation is resource.read or running.live.may_send(operation.method, path):
                yield operation, running.ask(operation, path, json_body=body)
    if resource.listing:
        for parameter in resource.listing.parameters:
            if parameter.get("in") == "query" and '"integer"' in json.dumps(parameter.get("schema", {})):
                path = f"{resource.path}?{parameter['name']}={2**63}"
                yield resource.listing, running.ask(resource.listing, path)
    for operation in filter(None, (resource.create, *resource.changes)):
        path = resource.path if operation is resource.create else running.journey.last(resource)
        body = (
            running.journey.body(operation)
            if operation is resource.create
            else _change(subject, resource, operation)
        )
        text = next((name for name, value in _fields(body) if isinstance(value, str)), None)
        if text is not None and path:
            yield operation, running.ask(operation, path, json_body={**body, text: f"{body[text]}\0"})


def _change(subject: Subject, resource: Resource, operation: Operation) -> Any:
    """Return a body for a change of what was made; None where the operation takes none."""
    made = resource.steps.get("create")
    if made is None or operation not in resource.changes:
        return None
    return subject.running.journey.change(operation, made)


def _fields(body: Any) -> Iterable[tuple[str, Any]]:
    return body.items() if isinstance(body, dict) else ()


def _usual(subject: Subject, resource: Resource, operation: Operation) -> Exchange:
    """Ask for what is there, or for one thing more; delete what is there for that."""
    running = subject.running
    if operation is resource.create:
        return running.ask(operation, json_body=running.journey.body(operation))
    if operation is resource.listing:
        return running.ask(operation, resource.path)
    if operation is resource.delete:
        made = running.journey.make(resource)
        item = None if made is None else id_of(made, resource.parameter)
        path = running.journey.path_of_nothing(operation) if item is None else resource.item(item)
        return running.ask(operation, path)
    body = _change(subject, resource, operation)
    return running.ask(operation, running.journey.last(resource), json_body=body)
