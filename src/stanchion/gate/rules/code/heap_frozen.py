"""
# C13: the collector leaves the start's objects alone

## What it does
Asks the process, when the app has started, how many objects `gc.freeze()` has set aside.

## Why it is bad
Importing an app makes hundreds of thousands of objects that live for ever. Each full collection looks at
all of them, and the request that meets it waits: tens of milliseconds, now and then.

## Example
```python
app = FastAPI()  # and the collector looks at it for ever
```

## Use instead
```python
gc.collect()
gc.freeze()  # once everything is imported; `stanchion run` does it
```
"""

from collections.abc import Iterator

from stanchion.gate.model import Finding, Kind, Line, Severity, Verdict, rule
from stanchion.gate.subject import Subject


@rule(
    "C13",
    "The heap is frozen after the start",
    severity=Severity.information,
    kind=Kind.instrumented,
    line=Line.blocking,
)
def heap_frozen(subject: Subject) -> Iterator[Finding]:
    """Count when the app has started, and report it with the number of objects that a collection looks at."""
    if any("stanchion" in module.imports for module in subject.code):
        return  # `stanchion run` freezes it in every process
    heap = subject.running.live.heap()
    if not heap["frozen"]:
        yield Finding(
            message="The collector looks at the whole app, again and again.",
            verdict=Verdict.proven,
            file=subject.app.file,
            evidence=f"gc.get_freeze_count() is 0, with {heap['objects']} objects alive after the start",
            advice="Call gc.collect() and gc.freeze() when everything is imported.",
        )
