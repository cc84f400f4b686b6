"""
# T01: every operation is reached, succeeds and refuses

## What it does
Asks every operation that no other rule has seen to succeed, with the ids of what was made and a body of its
schema, and every one that was not seen to refuse, with an unknown id, a wrong body or parameter, or no key.
The matrix is in the report, with the reason for each gap. Where a request lands in another path operation
than the one that the document promises, that is proven: it can never be reached. Where a success was not
seen, the rule says so and does not count as verified. By its URL alone a backend is asked with GET and POST,
and with nothing that may take something away.

## Why it is bad
Routes are tried in the order of their declaration. `/todos/{todo_id}` before `/todos/archive` takes its
requests, and answers 422 for the id `archive`; both look right in `/docs`. And an operation that nobody has
ever called is where the next release breaks.

## Example
```python
@app.get("/todos/{todo_id}")
async def read_todo(todo_id: int) -> Todo: ...


@app.get("/todos/archive")
async def read_archive() -> list[Todo]: ...
```

## Use instead
```python
@app.get("/todos/archive")
async def read_archive() -> list[Todo]: ...


@app.get("/todos/{todo_id}")
async def read_todo(todo_id: int) -> Todo: ...
```
"""

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any
from urllib.parse import quote

from stanchion.gate.belongings import adds
from stanchion.gate.evidence import seen
from stanchion.gate.journey import Journey, first_text, id_of, json_schema
from stanchion.gate.live import Exchange
from stanchion.gate.matrix import matrix
from stanchion.gate.model import Finding, Kind, Line, NotChecked, Severity, rule
from stanchion.gate.running import Running
from stanchion.gate.schemas import whole
from stanchion.gate.subject import Operation, Subject

_SHOWN = 5


@rule(
    "T01",
    "Every operation is reached, succeeds and refuses",
    severity=Severity.major,
    kind=Kind.live,
    line=Line.crud,
    turn=3,  # what the other rules see is of the matrix too: here it is as the report has it
)
def every_operation_exercised(subject: Subject) -> Iterator[Finding]:
    """Fill the gaps of the matrix, and report what another operation took."""
    running = subject.running
    journey = running.journey  # it fills most of the matrix
    operations = {one.name: one for one in subject.document.operations}
    never_reached = set()
    for row in matrix(running.document, running.live.asked):
        operation = operations[row.operation]
        # What is deleted here without having been made here could be what the other rules use.
        adding = running.live.may_write and adds(operation.method, operation.path)
        if running.live.is_outside and not adding:
            continue
        several = None if row.succeeded else _several(running, journey, operation)
        if not row.succeeded and operation.method != "DELETE":
            exchange = several or running.try_out(operation)
            if (taken := _taken(subject, operation, exchange)) is not None:
                never_reached.add(row.operation)
                yield taken
        if not row.refused:
            _refuse(running, journey, operation)
    rows = matrix(running.document, running.live.asked)
    gaps = [row for row in rows if row.why]
    if not {row.operation for row in gaps} <= never_reached:
        shown = "; ".join(f"{row.operation}: {row.why}" for row in gaps[:_SHOWN])
        more = f"; and {len(gaps) - _SHOWN} more" if len(gaps) > _SHOWN else ""
        raise NotChecked(
            f"of {len(gaps)} of {len(operations)} operations something is missing: {shown}{more}"
        )


def _taken(subject: Subject, operation: Operation, exchange: Exchange) -> Finding | None:
    """Return a finding where another path operation than the promised one was run."""
    promised = subject.route(operation)
    if promised is None or not promised.file:
        return None
    (inside,) = subject.running.live.inside(exchange)
    file, line = inside.get("endpoint") or ("", 0)
    if not file or (file, line) == (promised.file, promised.line):
        return None
    other = next((one for one in subject.app.routes if (one.file, one.line) == (file, line)), None)
    if other is None:
        return None
    return seen(
        subject,
        operation,
        exchange,
        message=f"It is never reached: {other.operation} is declared before it, and takes its requests.",
        figure=f"run: {other.name} ({file}, line {line})",
        advice=f"Declare it before {other.path}.",
    )


def _several(running: Running, journey: Journey, operation: Operation) -> Exchange | None:
    """Change or delete what is made for it, where that takes a list: `PATCH /things/bulk`; else None."""
    schema = running.document.resolve(json_schema(running.document, operation) or {})
    resource = next((one for one in journey.resources if operation.path.startswith(f"{one.path}/")), None)
    if operation.method == "POST" or schema.get("type") != "array" or resource is None:
        return None
    made = journey.make(resource)
    item_id = None if made is None else id_of(made, resource.parameter)
    if made is None or item_id is None:
        return None
    item = _item(running, whole(running.document, schema.get("items", {})), made, item_id)
    return running.ask(operation, json_body=[item], read_for=1)


def _item(running: Running, schema: Mapping[str, Any], made: Exchange, item_id: Any) -> Any:
    """Return what one of many wants: the id alone; or a change, with the id and the version that was made."""
    if "properties" not in schema:
        return item_id
    known = made.json if isinstance(made.json, dict) else {}
    required = schema.get("required", ())
    free = {name: part for name, part in schema["properties"].items() if name not in required}
    return {
        **running.values.make(schema),
        **first_text(running.document, {"properties": free}, running.values),
        **{name: known[name] for name in required if name in known},
        **({"id": item_id} if "id" in schema["properties"] else {}),
    }


def _refuse(running: Running, journey: Journey, operation: Operation) -> None:
    """Ask for what is not there, with a wrong body, a wrong value or no key, until it refuses."""
    path = journey.path(operation)
    attempts: list[Callable[[], Exchange]] = []
    if "{" in operation.path:
        attempts.append(partial(running.try_out, operation, journey.path_of_nothing(operation)))
    if operation.spec.get("requestBody"):
        attempts.append(partial(running.ask, operation, path, json_body="no object", read_for=1))
    for one in operation.parameters:
        if one.get("in") == "query":
            wrong = f"{path.partition('?')[0]}?{quote(one['name'])}=%00-no-such-value"
            attempts.append(partial(running.ask, operation, wrong, read_for=1))
    if any(running.document.security(operation)):
        attempts.append(partial(running.live.send, operation.method, path, read_for=1))
    for attempt in attempts:
        if 400 <= attempt().status < 500:
            return
