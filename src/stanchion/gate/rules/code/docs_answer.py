"""
# C12: the docs page answers

## What it does
Asks the app's docs page and the document that it loads.

## Why it is bad
The page is where every client begins; a wrong root path or a broken schema leaves it empty, and nobody
who works on the server looks there.

## Example
```python
app = FastAPI(docs_url=None)
```

## Use instead
```python
app = FastAPI()  # /docs, and /openapi.json
```
"""

from collections.abc import Iterator

from stanchion.gate.evidence import seen
from stanchion.gate.model import Finding, Kind, Line, Severity, rule
from stanchion.gate.subject import Loaded, Subject


@rule(
    "C12",
    "The docs page answers",
    severity=Severity.minor,
    kind=Kind.live,
    line=Line.docs,
)
def docs_answer(subject: Subject) -> Iterator[Finding]:
    """Ask for the page, then for its document."""
    live, app = subject.running.live, subject.imported or Loaded()
    for path, what in ((app.docs_url or "/docs", "docs page"), (app.openapi_url, "document")):
        if subject.imported is None and what == "document":
            continue  # it was read from there
        exchange = live.send("GET", path or "/openapi.json")
        if exchange.status != 200:
            yield seen(
                subject,
                None,
                exchange,
                message=f"The {what} is answered {exchange.status}.",
                advice="Leave docs_url and openapi_url as they are, or protect them.",
            )
            return
