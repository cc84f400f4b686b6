"""
# T02: what was created is what is read

## What it does
Creates one of each resource, reads it by its id, and compares what was sent, what the creation answered and
what the reading answers. The same number as text (`1.0`, `"1.00"`) and the same time in another form (`Z`,
`+00:00`) are no change.

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

from collections.abc import Iterator
from datetime import datetime, time
from decimal import Decimal, InvalidOperation
from typing import Any

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
    """Compare what was sent with the fields of the same names in both answers."""
    for resource in subject.running.made():
        created, read = resource.steps["create"], resource.steps.get("read")
        if read is None or read.status != 200:
            continue
        sent, answered, now = created.sent_json, created.json, read.json
        if not all(isinstance(one, dict) for one in (sent, answered, now)):
            continue
        changed = [(name, "read", now[name]) for name in sent if name in now]
        changed += [(name, "answered", answered[name]) for name in sent if name in now and name in answered]
        for name, how, got in changed:
            if is_same(sent[name], got):
                continue
            yield seen(
                subject,
                resource.read,
                read,
                message=f"{name!r} is not read as it was created.",
                figure=f"sent {sent[name]!r}, {how} {got!r}",
                advice="Keep what is accepted, and refuse what cannot be kept.",
            )
            break


def is_same(sent: Any, got: Any) -> bool:
    """Tell whether two JSON values say the same: a number as text too, and a time in another form.

    An object may come back with more in it than was sent.
    """
    if isinstance(sent, dict) and isinstance(got, dict):
        return all(name in got and is_same(value, got[name]) for name, value in sent.items())
    if isinstance(sent, list) and isinstance(got, list):
        return len(sent) == len(got) and all(map(is_same, sent, got))
    if isinstance(sent, str) and isinstance(got, str):
        return sent == got or (_time(sent) is not None and _time(sent) == _time(got))
    if {type(sent), type(got)} & {int, float}:
        return sent == got or (_number(sent) is not None and _number(sent) == _number(got))
    return bool(sent == got)


def _number(value: Any) -> Decimal | None:
    try:
        return Decimal(str(value)) if isinstance(value, int | float | str) else None
    except InvalidOperation:
        return None


def _time(text: str) -> datetime | time | None:
    for kind in (datetime, time):
        try:
            return kind.fromisoformat(text)
        except ValueError:
            continue
    return None
