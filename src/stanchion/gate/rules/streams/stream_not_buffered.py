"""
# A03: a stream is sent as it is made

## What it does
Reads each streaming operation of text (events, lines of JSON, CSV) and notes when each chunk arrives. Where
all of them come together, at the end, and again when it is asked once more, it looks inside: it is proven
that the stream was gathered where the app made a single chunk of it all, or gave StreamingResponse a list,
which it began to send when the time had gone by. Else it is suspected: a query may be slow, and its rows come
quickly. What is slow is measured by the answer to an unknown path: a busy machine is slow at everything.

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
from statistics import median

from stanchion.gate.evidence import seen
from stanchion.gate.live import Exchange
from stanchion.gate.model import Finding, Kind, Line, NotChecked, Severity, rule
from stanchion.gate.running import Running
from stanchion.gate.streaming import READ_FOR, TYPES, streams
from stanchion.gate.subject import Subject

_SLOW = 0.15
"""Seconds. What is made in less may well come at once."""
_TIMES = 20
"""Answers to an unknown path, in the time of which a stream would begin."""
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
    for operation, first_exchange in streams(subject):
        exchange = first_exchange
        if not _came_together(exchange, _SLOW):
            continue
        slow = max(_SLOW, _TIMES * _usual(subject.running))
        if _came_together(exchange, slow):
            body = subject.running.journey.body(operation) if operation.method == "POST" else None
            exchange = subject.running.ask(operation, json_body=body, read_for=READ_FOR)
        if _came_together(exchange, slow):
            first, last = exchange.chunks[0][0], exchange.chunks[-1][0]
            yield seen(
                subject,
                operation,
                exchange,
                message="The stream is gathered, and sent when it is whole.",
                figure=f"the first chunk came after {first:.2f} s, the last after {last:.2f} s",
                advice="Give StreamingResponse the generator itself, or yield from the path operation.",
                doubt="" if _is_gathered(subject, exchange, slow) else "the first of it may be slow to make",
            )


def _came_together(exchange: Exchange, slow: float) -> bool:
    """Tell whether more than one thing was in it, and all of them came at once, at the end."""
    if exchange.seconds < slow or not exchange.chunks or exchange.media_type not in _IN_PARTS:
        return False
    first, last = exchange.chunks[0][0], exchange.chunks[-1][0]
    return exchange.content.count(b"\n") > 2 and first > 0.8 * exchange.seconds and last - first < 0.05


def _usual(running: Running) -> float:
    """Return how many seconds an answer takes for which nothing is done."""
    return median(running.live.send("GET", "/stanchion-check-no-such-path").seconds for _ in range(5))


def _is_gathered(subject: Subject, exchange: Exchange, slow: float) -> bool:
    """Tell whether the app made one chunk of it all, or a list, before it began to answer."""
    try:
        (inside,) = subject.running.live.inside(exchange)
    except NotChecked:
        return False  # from outside it is not seen
    if not inside or inside["ended_at"] is None or not inside["chunks"]:
        return False
    single = len(inside["chunks"]) == 1 and inside["chunks"][0][0] >= slow
    return single or bool(inside["gathered"] and inside["response_at"] >= slow)
