"""
# H02: a creation answers 201

## What it does
Creates one of each resource and looks at the status of the answer.

## Why it is bad
`200` says that something was done, `201` that something new exists. Clients, caches and generated
SDKs act on the difference.

## Example
```python
@app.post("/todos")
def create_todo(body: TodoCreate) -> TodoResponse: ...
```

## Use instead
```python
@app.post("/todos", status_code=201)
def create_todo(body: TodoCreate) -> TodoResponse: ...
```
"""

from collections.abc import Iterator

from stanchion.gate.model import Finding, Kind, Line, Severity, Verdict, rule
from stanchion.gate.subject import Subject


@rule(
    "H02",
    "A creation answers 201",
    severity=Severity.minor,
    kind=Kind.live,
    line=Line.statuses,
)
def create_gives_201(subject: Subject) -> Iterator[Finding]:
    """Look at what was created on the journey; 202 is for what is done later."""
    for resource in subject.running.made():
        created = resource.steps["create"]
        assert resource.create is not None
        if created.status not in (201, 202):
            yield Finding(
                message=f"Something new was made, and the answer is {created.status}.",
                verdict=Verdict.proven,
                **subject.where(resource.create),
                evidence=created.summary,
                curl=created.curl,
                advice="Give the path operation status_code=201.",
            )
