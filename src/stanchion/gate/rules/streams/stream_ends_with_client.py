"""
# A04: a stream ends when its client leaves

## What it does
Opens each stream, leaves after the first chunk, and looks a second later whether the app still makes
more.

## Why it is bad
Each reader that left keeps a generator, its memory and perhaps a paid model running, until the process
ends.

## Example
```python
async def body():
    while True:
        await queue.put(make())  # a task of its own, which nobody ends
```

## Use instead
```python
async def body():
    while True:
        yield make()  # cancelled with the response
```
"""

import time
from collections.abc import Iterator

from stanchion.gate.evidence import seen
from stanchion.gate.model import Finding, Kind, Line, Severity, rule
from stanchion.gate.streaming import streams
from stanchion.gate.subject import Subject

_AFTER = 1.0
"""Seconds between the client's leaving and the look."""


@rule(
    "A04",
    "A stream ends when its client leaves",
    severity=Severity.major,
    kind=Kind.instrumented,
    line=Line.streams,
)
def stream_ends_with_client(subject: Subject) -> Iterator[Finding]:
    """Leave, wait, look."""
    running = subject.running
    for operation, whole in streams(subject):
        if whole.seconds < 0.3:
            continue  # it would have ended by itself
        body = running.journey.body(operation) if operation.method == "POST" else None
        exchange = running.ask(operation, json_body=body, read_for=0)
        time.sleep(min(_AFTER, whole.seconds / 2))
        (inside,) = running.live.inside(exchange)
        if inside and inside["ended_at"] is None:
            yield seen(
                subject,
                operation,
                exchange,
                message="The client has left, and the app goes on making the stream.",
                figure=f"{len(inside['chunks'])} chunks were made, for nobody",
                advice="Yield from an async generator, so that the response's end cancels it.",
            )
