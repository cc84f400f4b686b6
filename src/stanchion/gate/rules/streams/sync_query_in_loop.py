"""
# A05: no sync query runs in the event loop

## What it does
Watches in which thread each statement runs. One of a driver that waits, in the thread of the event loop,
is seen there and then, however quick it was today.

## Why it is bad
In `async def` a sync session holds up every other request for as long as the database takes: a
millisecond on the developer's machine, seconds on the day of the lock.

## Example
```python
@app.get("/todos")
async def list_todos(session: Annotated[Session, Depends(get_session)]):
    return session.exec(select(Todo)).all()
```

## Use instead
```python
@app.get("/todos")
def list_todos(session: Annotated[Session, Depends(get_session)]):  # in a thread
    return session.exec(select(Todo)).all()
```
"""

from collections.abc import Iterator
from dataclasses import replace

from stanchion.gate.evidence import seen
from stanchion.gate.model import Finding, Kind, Line, Severity, rule
from stanchion.gate.queries import reading, readings
from stanchion.gate.subject import Subject


@rule(
    "A05",
    "No query blocks the event loop",
    severity=Severity.major,
    kind=Kind.instrumented,
    line=Line.blocking,
)
def sync_query_in_loop(subject: Subject) -> Iterator[Finding]:
    """Ask what is read and made, and look at the thread of each statement."""
    reading(subject)
    running = subject.running
    created = [one.create for one in running.journey.resources if one.create and not one.why]
    for operation, path in (*((one, one.path) for one in created), *readings(subject)):
        body = running.journey.body(operation) if operation.method == "POST" else None
        exchange = running.ask(operation, path, json_body=body, read_for=1)
        (inside,) = running.live.inside(exchange)
        blocking = [one for one in inside.get("statements", ()) if one["in_loop"]]
        if blocking:
            finding = seen(
                subject,
                operation,
                exchange,
                message="A sync query runs in the event loop: nobody else is answered meanwhile.",
                figure=f"{len(blocking)} statements in the loop's own thread: {blocking[0]['sql']}",
                advice="Make the path operation `def`, or use an AsyncSession.",
            )
            first = blocking[0]
            yield replace(finding, file=first["file"] or finding.file, line=first["line"] or finding.line)
