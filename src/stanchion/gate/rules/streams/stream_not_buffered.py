"""
# A03: a stream is sent as it is made

## What it does
Reads each streaming operation of text (events, lines of JSON, CSV) and notes when each chunk arrives. Where
all of them come together, at the end, it looks inside: it is proven that the stream was gathered where the
app made a single chunk of it all, or gave StreamingResponse a list, which it began to send when the time had
gone by. Else it is suspected: a query may be slow, and its rows come quickly.

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
from stanchion.gate.live import Exchange
from stanchion.gate.model import Finding, Kind, Line, NotChecked, Severity, rule
from stanchion.gate.streaming import TYPES, streams
from stanchion.gate.subject import Subject

_SLOW = 0.15
"""Seconds. What is made in less may well come at once."""
_IN_PARTS = (*TYPES, "text/csv")
"""The media types of what can be made piece by piece."""


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
        if exchange.seconds < _SLOW or not exchange.chunks or exchange.media_type not in _IN_PARTS:
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
                doubt="" if _is_gathered(subject, exchange) else "the first of it may be slow to make",
            )


def _is_gathered(subject: Subject, exchange: Exchange) -> bool:
    """Tell whether the app made one chunk of it all, or a list, before it began to answer."""
    try:
        (inside,) = subject.running.live.inside(exchange)
    except NotChecked:
        return False  # from outside it is not seen
    if not inside or inside["ended_at"] is None or not inside["chunks"]:
        return False
    single = len(inside["chunks"]) == 1 and inside["chunks"][0][0] >= _SLOW
    return single or bool(inside["gathered"] and inside["response_at"] >= _SLOW)
