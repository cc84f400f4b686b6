"""
# S01: no foreign origin may send credentials

## What it does
Asks with origins that nobody configured (a stranger's, one that ends in a configured name, `null`) and
looks whether the answer lets them in with credentials.

## Why it is bad
With `Access-Control-Allow-Credentials: true` for any origin, every site that a signed-in user visits
reads and writes in that user's name.

## Example
```python
app.add_middleware(CORSMiddleware, allow_origins=["*"], allow_credentials=True)
```

## Use instead
```python
app.add_middleware(CORSMiddleware, allow_origins=settings.CORS_ORIGINS, allow_credentials=True)
```
"""

from collections.abc import Iterator

from stanchion.gate.evidence import seen
from stanchion.gate.model import Finding, Kind, Line, Severity, rule
from stanchion.gate.origins import configured_origins
from stanchion.gate.subject import Subject


@rule(
    "S01",
    "A foreign origin gets no credentials",
    severity=Severity.critical,
    kind=Kind.live,
    line=Line.origins,
)
def foreign_origin_refused(subject: Subject) -> Iterator[Finding]:
    """Ask as a stranger's page would, and as pages whose names look like a configured one."""
    origins = ["https://stranger.example", "null"]
    for configured in configured_origins(subject.imported) if subject.imported else ():
        origins += [f"{configured}.stranger.example", configured.replace("://", "://stranger-")]
    path = next((one.path for one in subject.document.operations if "{" not in one.path), "/")
    for origin in origins:
        exchange = subject.running.live.send("GET", path, headers={"Origin": origin, "Cookie": "session=1"})
        allowed = exchange.response_headers.get("access-control-allow-origin", "")
        credentials = exchange.response_headers.get("access-control-allow-credentials", "")
        if allowed == origin and credentials == "true":
            yield seen(
                subject,
                None,
                exchange,
                message=f"The origin {origin} is let in with credentials.",
                figure=f"Access-Control-Allow-Origin: {allowed}\nAccess-Control-Allow-Credentials: true",
                advice="Name the origins of your own frontends in allow_origins.",
            )
            return
