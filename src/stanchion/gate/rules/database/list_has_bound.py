"""
# D05: a list has a bound

## What it does
Makes sixty rows of a resource and reads its list without parameters, then looks for all sixty in the
answer and for a LIMIT in the statement.

## Why it is bad
A list without a bound is quick in the demonstration and an outage in the third year: every row is read,
built, validated and sent.

## Example
```python
@app.get("/todos")
def list_todos(session: SessionDep) -> list[Todo]:
    return session.exec(select(Todo)).all()
```

## Use instead
```python
@app.get("/todos")
def list_todos(session: SessionDep, limit: Annotated[int, Query(le=200)] = 50) -> list[Todo]:
    return session.exec(select(Todo).order_by(Todo.id).limit(limit)).all()
```
"""

from collections.abc import Iterator

from stanchion.gate.evidence import seen
from stanchion.gate.model import Finding, Kind, Line, Severity, rule
from stanchion.gate.queries import reading
from stanchion.gate.subject import Subject

_ROWS = 60


@rule(
    "D05",
    "A list has a bound",
    severity=Severity.major,
    kind=Kind.instrumented,
    line=Line.queries,
)
def list_has_bound(subject: Subject) -> Iterator[Finding]:
    """Fill a resource, and read it."""
    reading(subject)
    running = subject.running
    for resource in running.made():
        if resource.listing is None:
            continue
        for _ in range(_ROWS):
            made = running.journey.make(resource)
            if made is None or made.status >= 300:
                break
        else:
            exchange = running.ask(resource.listing)
            (inside,) = running.live.inside(exchange)
            rows = exchange.json
            bounded = any("LIMIT" in one["sql"].upper() for one in inside.get("statements", ()))
            if isinstance(rows, list) and len(rows) >= _ROWS and not bounded:
                yield seen(
                    subject,
                    resource.listing,
                    exchange,
                    message="The list has no bound: it answers with every row.",
                    figure=f"{len(rows)} rows without a parameter, and no LIMIT in its statements",
                    advice="Give it limit, with a default and a greatest value, and a cursor or an offset.",
                )
