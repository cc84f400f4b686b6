"""
# H04: an unknown id is answered 404

## What it does
Reads, changes and deletes an id that nothing has, in each resource.

## Why it is bad
`200` with `null`, or a `500`, leaves a client to guess whether the thing is gone, was never there, or
the server is broken; retries and monitors go wrong with it.

## Example
```python
@app.get("/todos/{todo_id}")
def read_todo(todo_id: int, session: SessionDep) -> Todo | None:
    return session.get(Todo, todo_id)
```

## Use instead
```python
todo = session.get(Todo, todo_id)
if todo is None:
    raise HTTPException(404, "Todo not found")
return todo
```
"""

from collections.abc import Iterator

from stanchion.gate.evidence import seen
from stanchion.gate.model import Finding, Kind, Line, Severity, rule
from stanchion.gate.subject import Subject


@rule(
    "H04",
    "An unknown id is a 404",
    severity=Severity.major,
    kind=Kind.live,
    line=Line.not_found,
)
def unknown_id_gives_404(subject: Subject) -> Iterator[Finding]:
    """Look at the steps of the journey that asked for nothing that is there."""
    for resource in subject.running.made():
        operations = {"read missing": resource.read, "delete missing": resource.delete}
        operations |= {f"{one.method} missing": one for one in resource.changes}
        for step, operation in operations.items():
            exchange = resource.steps.get(step)
            # 401 and 403 say nothing of the id, 422 that it cannot be one.
            if exchange is not None and exchange.status not in (0, 401, 403, 404, 410, 422):
                yield seen(
                    subject,
                    operation,
                    exchange,
                    message=f"Nothing in {resource.path} has this id, and the answer is {exchange.status}.",
                    advice="Raise HTTPException(404) where the row is None.",
                )
