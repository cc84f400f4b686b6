"""
# D03: sessions are given back, after a failure too

## What it does
Asks every resource's operations, those that fail included, and counts the connections that are still out
of their pools when the requests have ended. A job that a request leaves behind may hold one for five seconds.

## Why it is bad
Each one that is not given back is lost until the process ends. After as many as the pool has (15 by
default), every request waits 30 seconds and fails.

## Example
```python
def get_session():
    return Session(engine)  # nobody closes it
```

## Use instead
```python
def get_session():
    with Session(engine) as session:
        yield session
```
"""

import time
from collections.abc import Iterator

from stanchion.gate.evidence import seen
from stanchion.gate.model import Finding, Kind, Line, Severity, rule
from stanchion.gate.queries import reading
from stanchion.gate.running import Running
from stanchion.gate.subject import Subject

_ASKED = 3
_PATIENCE = 5.0
"""Seconds for which what is out is waited for."""


@rule(
    "D03",
    "Sessions are given back",
    severity=Severity.critical,
    kind=Kind.instrumented,
    line=Line.pooled,
)
def sessions_returned(subject: Subject) -> Iterator[Finding]:
    """Ask each operation of each resource a few times, and count."""
    reading(subject)
    running = subject.running
    for resource in running.made():
        for operation in (resource.create, resource.read, resource.listing):
            if operation is None:
                continue
            before = _settled(running)
            exchanges = []
            for _ in range(_ASKED):
                if operation is resource.create:
                    exchanges.append(running.ask(operation, json_body=running.journey.body(operation)))
                else:
                    path = resource.path if operation is resource.listing else running.journey.last(resource)
                    exchanges.append(running.ask(operation, path or operation.path))
            # A BackgroundTask is a part of the request: what has not ended may keep its connection.
            if not all(running.live.ended(one, _PATIENCE) for one in exchanges):
                continue
            out = _kept(running, before)
            if out >= _ASKED:
                yield seen(
                    subject,
                    operation,
                    exchanges[-1],
                    message="A request keeps its database connection after its answer.",
                    figure=f"{_PATIENCE:g} s after {_ASKED} requests {out} more are out of the pool",
                    advice="Open the session in a dependency with `with` and `yield`.",
                )
                return


def _kept(running: Running, before: int) -> int:
    """Return how many connections more are out, after as long as some are that should not be."""
    until = time.monotonic() + _PATIENCE
    while (out := _settled(running) - before) >= _ASKED and time.monotonic() < until:
        time.sleep(0.1)
    return out


def _settled(running: Running) -> int:
    """Return how many connections are out, once that no longer changes."""
    last = running.live.pool()["out"]
    for _ in range(10):
        time.sleep(0.03)
        now = running.live.pool()["out"]
        if now == last:
            break
        last = now
    return last
