"""
# T03: PATCH keeps the fields that are not sent

## What it does
Changes one field of each resource with PATCH, reads it again, and compares the others.

## Why it is bad
`body.model_dump()` fills what was not sent with the defaults, and the change of a title empties the
note.

## Example
```python
todo.sqlmodel_update(body.model_dump())
```

## Use instead
```python
todo.sqlmodel_update(body.model_dump(exclude_unset=True))
```
"""

import json
from collections.abc import Iterator

from stanchion.gate.evidence import seen
from stanchion.gate.model import Finding, Kind, Line, NotChecked, Severity, rule
from stanchion.gate.subject import Subject

_MOVING = ("updated", "modified", "changed", "version", "revision", "etag")


@rule(
    "T03",
    "PATCH keeps what is not sent",
    severity=Severity.major,
    kind=Kind.live,
    line=Line.crud,
)
def patch_keeps_the_rest(subject: Subject) -> Iterator[Finding]:
    """Compare before and after, but for the field that was sent and those that tell of the change."""
    asked = False
    for resource in subject.running.made():
        before, patched = resource.steps.get("read"), resource.steps.get("PATCH")
        after = resource.steps.get("read after PATCH")
        if before is None or patched is None or after is None or patched.status >= 300:
            continue
        old, new = before.json, after.json
        if not isinstance(old, dict) or not isinstance(new, dict):
            continue
        asked = True
        sent = json.loads(patched.body or b"{}")
        lost = [
            name
            for name in old
            if name not in sent and not any(part in name for part in _MOVING) and new.get(name) != old[name]
        ]
        if lost:
            yield seen(
                subject,
                resource.changes[0],
                patched,
                message=f"{lost[0]!r} was not sent, and is another after the PATCH.",
                figure=f"before {old[lost[0]]!r}, after {new.get(lost[0])!r}",
                advice="Update from body.model_dump(exclude_unset=True).",
            )
    if not asked:
        raise NotChecked("nothing can be changed with PATCH and read", applies=False)
