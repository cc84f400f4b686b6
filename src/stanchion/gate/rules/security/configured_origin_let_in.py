"""
# S02: the configured origin is let in

## What it does
Takes the first origin of the CORS middleware and asks as its page would: a request, and the preflight of
a POST with JSON.

## Why it is bad
Without the headers the browser keeps the answer from the page, and the frontend shows an error that no
server log explains. An app without the middleware can have no frontend on another origin; one that sends
its own pages needs none.

## Example
```python
app = FastAPI()  # and the frontend is on http://localhost:3000
```

## Use instead
```python
app.add_middleware(
    CORSMiddleware,
    allow_origins=settings.CORS_ORIGINS,
    allow_credentials=True,
    allow_methods=["GET", "POST", "PUT", "PATCH", "DELETE"],
    allow_headers=["Content-Type", "X-API-Key"],
)
```
"""

from collections.abc import Iterator

from stanchion.gate.evidence import seen
from stanchion.gate.model import Finding, Kind, Line, NotChecked, Severity, rule
from stanchion.gate.origins import configured_origins, has_cors, lets_everybody_in, serves_pages
from stanchion.gate.subject import Subject


@rule(
    "S02",
    "The configured origin is let in",
    severity=Severity.minor,
    kind=Kind.live,
    line=Line.cors,
)
def configured_origin_let_in(subject: Subject) -> Iterator[Finding]:
    """Ask as the frontend's page would."""
    live = subject.running.live
    open_paths = [one for one in subject.document.operations if "{" not in one.path]
    first = next((one for one in open_paths if one.method == "GET"), next(iter(open_paths), None))
    path = first.path if first else "/"
    if not has_cors(subject.app):
        if serves_pages(subject):
            raise NotChecked(
                "the app sends its own pages, and has no CORS for those of others", applies=False
            )
        exchange = live.send("GET", path, headers={"Origin": "http://localhost:3000"})
        if exchange.media_type == "text/html":
            raise NotChecked(f"{path} is a page, of the app's own origin", applies=False)
        if "access-control-allow-origin" not in exchange.response_headers:
            yield seen(
                subject,
                None,
                exchange,
                message="There is no CORS: a frontend on another origin cannot read an answer.",
                advice="Add CORSMiddleware with the origins of your frontends, from the settings.",
            )
        return
    origins = configured_origins(subject.app)
    if not origins and not lets_everybody_in(subject.app):
        raise NotChecked("CORSMiddleware names no origin here: give it one with --env")
    origins = origins or ["http://localhost:3000"]
    posted = next((one for one in subject.document.operations if one.method == "POST"), None)
    preflight = {
        "Origin": origins[0],
        "Access-Control-Request-Method": "POST" if posted else "GET",
        "Access-Control-Request-Headers": "content-type" if posted else "accept",
    }
    for exchange in (
        live.send("GET", path, headers={"Origin": origins[0]}),
        live.send("OPTIONS", posted.path if posted else path, headers=preflight),
    ):
        if exchange.response_headers.get("access-control-allow-origin") not in (origins[0], "*"):
            yield seen(
                subject,
                None,
                exchange,
                message=f"The origin {origins[0]} is not let in.",
                figure=f"Origin: {origins[0]}",
                advice="Give CORSMiddleware the origin, the methods and the headers of your frontend.",
            )
            return
