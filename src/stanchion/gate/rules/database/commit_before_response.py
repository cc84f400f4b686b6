"""
# D06: a write is committed before its answer

## What it does
Watches when each creation commits and when its answer begins.

## Why it is bad
A client that has its `201` and reads at once gets a `404`; and when the commit fails, it was told that
its data is safe, and nobody tells it otherwise.

## Example
```python
def get_session():
    with Session(engine) as session:
        yield session
        session.commit()  # after the response was sent
```

## Use instead
```python
session.add(todo)
session.commit()  # in the path operation; or a dependency with scope="function"
```
"""

from collections.abc import Iterator

from stanchion.gate.evidence import seen
from stanchion.gate.model import Finding, Kind, Line, Severity, rule
from stanchion.gate.queries import reading
from stanchion.gate.subject import Subject


@rule(
    "D06",
    "A write is committed before its answer",
    severity=Severity.critical,
    kind=Kind.instrumented,
    line=Line.statuses,
)
def commit_before_response(subject: Subject) -> Iterator[Finding]:
    """Create one more of each, and compare the moments."""
    reading(subject)
    running = subject.running
    for resource in running.made():
        made = running.journey.make(resource)
        if made is None or made.status >= 300:
            continue
        (inside,) = running.live.inside(made)
        wrote = [
            one["at"] for one in inside.get("statements", ()) if one["sql"].startswith(("INSERT", "WITH"))
        ]
        late = [
            at for at in inside.get("commits", ()) if inside["response_at"] and at > inside["response_at"]
        ]
        early = [
            at for at in inside.get("commits", ()) if wrote and wrote[0] < at <= (inside["response_at"] or 0)
        ]
        if wrote and late and not early:
            after = (late[0] - inside["response_at"]) * 1000
            yield seen(
                subject,
                resource.create,
                made,
                message="The answer is sent before the write is committed.",
                figure=f"the commit came {after:.1f} ms after the answer had begun",
                advice='Commit in the path operation, or in a dependency with scope="function".',
            )
