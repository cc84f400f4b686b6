"""
# A04: a stream ends when its client leaves

## What it does
Opens each stream, leaves after the first chunk, and looks a second later whether the app still makes
more. One that sleeps between its chunks has twice the longest gap between them, and ten seconds at most, for
a sync generator ends at its next step; one that was silent has ten.

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

from collections.abc import Iterator
from itertools import pairwise

from stanchion.gate.evidence import seen
from stanchion.gate.live import Exchange
from stanchion.gate.model import Finding, Kind, Line, Severity, rule
from stanchion.gate.streaming import streams
from stanchion.gate.subject import Subject

_AFTER = 1.0
"""Seconds between the client's leaving and the look."""
_LONGEST = 10.0
_BRIEF = 0.2


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
        exchange = running.ask(operation, json_body=body, read_for=_BRIEF)
        if not running.live.ended(exchange, _patience(whole)):
            (inside,) = running.live.inside(exchange)
            yield seen(
                subject,
                operation,
                exchange,
                message="The client has left, and the app goes on making the stream.",
                figure=f"{len(inside['chunks'])} chunks were made, for nobody",
                advice="Yield from an async generator, so that the response's end cancels it.",
            )


def _patience(whole: Exchange) -> float:
    """Return for how many seconds it is waited, by the longest time for which nothing came."""
    at = [0.0, *(one for one, _ in whole.chunks), whole.seconds]
    gaps = [later - earlier for earlier, later in pairwise(at)]
    if whole.left and gaps[-1] >= max(gaps):
        return _LONGEST  # nobody knows when the next one would have come
    return max(min(_AFTER, whole.seconds / 2), min(2 * max(gaps), _LONGEST))
