"""
# A03: a stream is sent as it is made

## What it does
Reads each streaming operation and notes when each chunk arrives, and when the app was done making them.

## Why it is bad
A stream that is gathered first is a slow response with a fancy type: the first word comes when the last
one is made, and the memory holds all of it.

## Example
```python
chunks = [chunk async for chunk in model.answer(prompt)]
return StreamingResponse(iter(chunks), media_type="text/event-stream")
```

## Use instead
```python
return StreamingResponse(model.answer(prompt), media_type="text/event-stream")
```
"""

from collections.abc import Iterator

from stanchion.gate.evidence import seen
from stanchion.gate.model import Finding, Kind, Line, Severity, rule
from stanchion.gate.streaming import streams
from stanchion.gate.subject import Subject

_SLOW = 0.15
"""Seconds. What is made in less may well come at once."""


@rule(
    "A03",
    "A stream is sent as it is made",
    severity=Severity.major,
    kind=Kind.instrumented,
    line=Line.streams,
)
def stream_not_buffered(subject: Subject) -> Iterator[Finding]:
    """Read each, and compare the first chunk with the whole."""
    for operation, exchange in streams(subject):
        if exchange.seconds < _SLOW or not exchange.chunks:
            continue
        first, last = exchange.chunks[0][0], exchange.chunks[-1][0]
        # More than one thing was in it, and all of them came together, at the end.
        if exchange.content.count(b"\n") > 2 and first > 0.8 * exchange.seconds and last - first < 0.05:
            yield seen(
                subject,
                operation,
                exchange,
                message="The stream is gathered, and sent when it is whole.",
                figure=f"the first chunk came after {first:.2f} s, the last after {last:.2f} s",
                advice="Give StreamingResponse the generator itself, or yield from the path operation.",
            )
