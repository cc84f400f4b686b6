"""
# H06: a duplicate is answered 409

## What it does
Creates one of each resource, and sends the very same body again. What is created without a body
has no duplicate.

## Why it is bad
A unique index that is violated is the client's mistake, and one it can mend. As a `500` it wakes
whoever is on call, and is retried for ever.

## Example
```python
session.add(User(email=body.email))
session.commit()  # IntegrityError
```

## Use instead
```python
try:
    session.commit()
except IntegrityError:
    raise HTTPException(409, "Email already taken") from None
```
"""

from collections.abc import Iterator

from stanchion.gate.evidence import seen
from stanchion.gate.model import Finding, Kind, Line, NotChecked, Severity, rule
from stanchion.gate.subject import Subject


@rule(
    "H06",
    "A duplicate is no 500",
    severity=Severity.major,
    kind=Kind.live,
    line=Line.statuses,
)
def duplicate_gives_409(subject: Subject) -> Iterator[Finding]:
    """Send the first body again: it may be taken twice or refused, but nothing may break."""
    asked = False
    for resource in subject.running.made():
        first = resource.steps["create"]
        # Once more as it was made, since the journey may have deleted it.
        made = subject.running.journey.make(resource)
        body = (first if made is None or made.status >= 300 else made).sent_json
        if body is None or resource.create is None:
            continue
        asked = True
        again = subject.running.ask(resource.create, json_body=body)
        if again.status >= 500:
            yield seen(
                subject,
                resource.create,
                again,
                message=f"The same body a second time is answered {again.status}.",
                advice="Catch IntegrityError and answer 409.",
            )
    if not asked:
        raise NotChecked("nothing is created from a body of JSON", applies=False)
