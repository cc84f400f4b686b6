"""
# D04: a list takes no statement for each row

## What it does
Reads each list, adds eight rows, reads it again, and compares how many statements it took.

## Why it is bad
N + 1 queries: a page of 50 takes 51 round trips, and the time of the page grows with the customer's
success.

## Example
```python
for book in session.exec(select(Book)):
    print(book.author.name)  # one SELECT each
```

## Use instead
```python
select(Book).options(selectinload(Book.author))  # two statements, however many rows
```
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

from stanchion.gate.evidence import seen
from stanchion.gate.model import Finding, Kind, Line, Severity, rule
from stanchion.gate.queries import reading
from stanchion.gate.subject import Subject

_MORE = 8


@rule(
    "D04",
    "A list takes no statement per row",
    severity=Severity.major,
    kind=Kind.instrumented,
    line=Line.queries,
)
def no_statement_per_row(subject: Subject) -> Iterator[Finding]:
    """Count before and after; statements that are the same but for their values are one kind."""
    running = subject.running
    reading(subject)
    for resource in running.made():
        if resource.listing is None or running.journey.takes_password(resource):
            continue
        running.journey.make(resource)
        first = running.ask(resource.listing)
        (before,) = running.live.inside(first)
        made = [running.journey.make(resource) for _ in range(_MORE)]
        if any(one is None or one.status >= 300 for one in made):
            continue
        second = running.ask(resource.listing)
        (after,) = running.live.inside(second)
        grown = len(after.get("statements", ())) - len(before.get("statements", ()))
        if grown >= _MORE - 1:
            often = Counter((one["sql"], one["file"], one["line"]) for one in after["statements"])
            (sql, file, line), times = often.most_common(1)[0]
            finding = seen(
                subject,
                resource.listing,
                second,
                message="The list takes a statement for each row.",
                figure=f"{_MORE} rows more took {grown} statements more; {times} times: {sql}",
                advice="Load the relation with the list: a join, or selectinload.",
            )
            yield replace(finding, file=file or finding.file, line=line or finding.line)
