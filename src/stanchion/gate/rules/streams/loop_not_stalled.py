"""
# A02: nothing holds up the event loop

## What it does
Asks each operation that is `async def` three times, while a watcher looks every 5 ms whether the event loop
still comes round. A stall counts when it is seen in two of three runs, is longer than 50 ms without the time
for which the thread waited for a processor, and an operation that does nothing has none.

## Why it is bad
While one request holds up the loop, every other waits: one slow query in `async def` is a server that
answers nobody.

## Example
```python
@app.get("/report")
async def report():
    time.sleep(1)  # or a sync Session, requests.get(...), a hash
```

## Use instead
```python
@app.get("/report")
def report():  # FastAPI runs it in a thread
    time.sleep(1)
```
"""

from collections.abc import Iterator
from dataclasses import replace
from statistics import median

from stanchion.gate.evidence import seen
from stanchion.gate.model import Finding, Kind, Line, NotChecked, Severity, rule
from stanchion.gate.running import Running
from stanchion.gate.subject import Subject

_LEAST = 50.0
"""Milliseconds. Below, a busy machine looks the same."""


@rule(
    "A02",
    "The event loop is not held up",
    severity=Severity.critical,
    kind=Kind.instrumented,
    line=Line.blocking,
)
def loop_not_stalled(subject: Subject) -> Iterator[Finding]:
    """Ask, look, and ask the control."""
    if not any(one.is_async for one in subject.app.routes):
        raise NotChecked("no path operation is async", applies=False)
    running = subject.running
    known = {one.item_path: running.journey.last(one) for one in running.journey.resources}
    asked = False
    for operation in subject.document.operations:
        route = subject.route(operation)
        path = known.get(operation.path) or operation.path
        if route is None or not route.is_async or "{" in path or operation.method == "DELETE":
            continue
        asked = True
        held = []
        for _ in range(3):
            body = running.journey.body(operation) if operation.method in ("POST", "PUT", "PATCH") else None
            exchange = running.ask(operation, path, json_body=body, read_for=1)
            (inside,) = running.live.inside(exchange)
            # A stall that was seen elsewhere than in the project's own code is the machine's.
            held += [one for one in inside.get("stalls", ()) if one["ms"] >= _LEAST and one["file"]][:1]
        if len(held) >= 2 and not _control(running):
            usual = median(one["ms"] for one in held)
            worst = max(held, key=lambda one: float(one["ms"]))
            finding = seen(
                subject,
                operation,
                exchange,
                message="It holds up the event loop: nobody else is answered meanwhile.",
                figure=f"{usual:.0f} ms in {worst['stack'][-1]}, {len(held)} of 3 times",
                advice="Make the path operation `def`, await a library that is async, or use a thread.",
            )
            yield replace(finding, file=worst["file"], line=worst["line"])
    if not asked:
        raise NotChecked("no async path operation could be asked")


def _control(running: Running) -> bool:
    """Tell whether the loop is held up where nothing happens: then the machine is too busy to say."""
    exchanges = [running.live.send("GET", "/stanchion-check-no-such-path") for _ in range(3)]
    stalls = [one.get("stalls", ()) for one in running.live.inside(*exchanges)]
    return sum(any(stall["ms"] >= _LEAST for stall in each) for each in stalls) >= 2
