"""
# T02: what was created is what is read

## What it does
Creates one of each resource, reads it by its id, and compares what was sent, what the creation answered and
what the reading answers.

## Why it is bad
A field that is lost, cut or changed on the way is found by a customer, one at a time.

## Example
```python
todo = Todo(title=body.title[:20])
```

## Use instead
```python
title: str = Field(max_length=20)  # refuse what cannot be kept
```
"""

import json
from collections.abc import Iterator

from stanchion.gate.evidence import seen
from stanchion.gate.model import Finding, Kind, Line, Severity, rule
from stanchion.gate.subject import Subject


@rule(
    "T02",
    "What was created is what is read",
    severity=Severity.major,
    kind=Kind.live,
    line=Line.crud,
)
def created_is_read(subject: Subject) -> Iterator[Finding]:
    """Compare the fields that two of the three share; times may be told apart by their form."""
    for resource in subject.running.made():
        created, read = resource.steps["create"], resource.steps.get("read")
        if read is None or read.status != 200:
            continue
        sent = json.loads(created.body)
        answers = created.json, read.json
        if not isinstance(sent, dict) or not all(isinstance(one, dict) for one in answers):
            continue
        different = [name for name in sent if name in read.json and read.json[name] != sent[name]]
        changed = [
            name for name in created.json if name in read.json and read.json[name] != created.json[name]
        ]
        if wrong := different or [name for name in changed if name in sent]:
            name = wrong[0]
            yield seen(
                subject,
                resource.read,
                read,
                message=f"{name!r} is not read as it was created.",
                figure=f"sent {sent[name]!r}, read {read.json[name]!r}",
                advice="Keep what is accepted, and refuse what cannot be kept.",
            )
