"""
# H08: input at the boundary breaks nothing

## What it does
Asks each resource for ids at the edges of the integers (0, -1, 2^31, 2^63), sends a NUL character in a
field of text, and huge numbers in query parameters.

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
from collections.abc import Iterator

from stanchion.gate.evidence import seen
from stanchion.gate.journey import Resource
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
        exchanges = []
        if resource.read:
            exchanges += [
                (resource.read, subject.running.ask(resource.read, resource.item(one))) for one in _IDS
            ]
        if resource.listing:
            numbers = [
                parameter["name"]
                for parameter in resource.listing.parameters
                if parameter.get("in") == "query" and '"integer"' in json.dumps(parameter.get("schema", {}))
            ]
            for name in numbers:
                path = f"{resource.path}?{name}={2**63}"
                exchanges.append((resource.listing, subject.running.ask(resource.listing, path)))
        body = subject.running.journey.body(resource.create)
        texts = (
            [name for name, value in body.items() if isinstance(value, str)] if isinstance(body, dict) else []
        )
        if texts and resource.create:
            sent = {**body, texts[0]: f"{body[texts[0]]}\0"}
            exchanges.append((resource.create, subject.running.ask(resource.create, json_body=sent)))
        broken = set()
        for operation, exchange in exchanges:
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
                )


def _usual(subject: Subject, resource: Resource, operation: Operation) -> Exchange:
    """Ask for what is there, or for one thing more."""
    running = subject.running
    if operation is resource.create:
        return running.ask(operation, json_body=running.journey.body(operation))
    return running.ask(
        operation, running.journey.last(resource) if operation is resource.read else resource.path
    )
