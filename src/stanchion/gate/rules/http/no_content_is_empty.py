"""
# H03: a 204 has no body

## What it does
Looks at every 204 of the journey, and asks the operations that are documented as 204 and that it did not
meet: a 204 has no `Content-Length` above 0, and the app sends no byte after its headers. By the URL alone
only the header is seen, because the server drops the rest. Operations whose path says that they end a
session or throw something away are not asked for this; a body that is streamed can be missed, because the
client has hung up by then.

## Why it is bad
A 204 ends with its headers (RFC 9110, section 15.3.5). uvicorn raises at the first byte more, `Too much data
for declared Content-Length` with h11 and `Response content longer than Content-Length` with httptools: each
success is a traceback in the log and a connection that is closed. Where the length is declared too, httptools
sends the bytes, and the client takes them for the beginning of the next answer.

## Example
```python
@app.delete("/todos/{todo_id}")
async def delete_todo(todo_id: int):
    ...
    return JSONResponse(status_code=204, content={"deleted": todo_id})
```

## Use instead
```python
@app.delete("/todos/{todo_id}", status_code=204)
async def delete_todo(todo_id: int) -> None: ...
```
"""

import re
from collections.abc import Iterator

from stanchion.gate.belongings import adds
from stanchion.gate.evidence import seen
from stanchion.gate.journey import Resource
from stanchion.gate.live import Exchange
from stanchion.gate.model import Finding, Kind, Line, NotChecked, Severity, rule
from stanchion.gate.running import Running
from stanchion.gate.subject import Operation, Subject

_ENDING = re.compile(
    r"log-?_?out|sign-?_?(out|off)|revoke|delete|remove|reset|clear|purge|deactivate|disable|cancel|"
    r"shut-?_?down|restart|stop",
    re.IGNORECASE,
)
_Met = tuple[Operation, Exchange]


@rule(
    "H03",
    "A 204 has no body",
    severity=Severity.major,
    kind=Kind.live,
    line=Line.statuses,
)
def no_content_is_empty(subject: Subject) -> Iterator[Finding]:
    """Look at each 204 from outside and, where that can be, from inside."""
    running = subject.running
    met = [one for resource in running.journey.resources for one in _steps(resource)]
    met += _asked(running)
    empty = [(operation, exchange) for operation, exchange in met if exchange.status == 204]
    if not empty:
        documented = any("204" in one.spec.get("responses", ()) for one in subject.document.operations)
        raise NotChecked("no operation was seen to answer 204", applies=documented)
    reported = set()
    for (operation, exchange), sent in zip(empty, _sent(running, [one for _, one in empty]), strict=True):
        if sent and operation.name not in reported:
            reported.add(operation.name)
            yield seen(
                subject,
                operation,
                exchange,
                message="It answers 204 with a body.",
                figure=sent,
                advice="Return nothing with a 204, or answer 200 with the body.",
            )


def _steps(resource: Resource) -> Iterator[_Met]:
    """Give what the journey did with each operation of a resource."""
    kinds = {"create": resource.create, "list": resource.listing, "read": resource.read}
    kinds |= {"delete": resource.delete, **{one.method: one for one in resource.changes}}
    for name, operation in kinds.items():
        if operation is not None and name in resource.steps:
            yield operation, resource.steps[name]


def _asked(running: Running) -> Iterator[_Met]:
    """Ask what is documented as 204 beside the resources, on items that were made."""
    known = {one.name for resource in running.journey.resources for one in _operations(resource)}
    for operation in running.document.operations:
        if operation.name in known or operation.method not in ("GET", "POST", "PUT", "PATCH"):
            continue
        if running.live.is_outside and not adds(operation.method, operation.path):
            continue
        if "204" in operation.spec.get("responses", ()) and not _ENDING.search(operation.path):
            yield operation, running.try_out(operation)


def _operations(resource: Resource) -> Iterator[Operation]:
    for one in (resource.create, resource.listing, resource.read, resource.delete, *resource.changes):
        if one is not None:
            yield one


def _sent(running: Running, exchanges: list[Exchange]) -> list[str]:
    """Say for each 204 what it has that none may have; nothing where it is empty."""
    try:
        records = running.live.inside(*exchanges)
    except NotChecked:
        records = [{} for _ in exchanges]
    return [_surplus(one, record) for one, record in zip(exchanges, records, strict=True)]


def _surplus(exchange: Exchange, record: dict[str, object]) -> str:
    chunks, exception = record.get("chunks"), record.get("exception")
    size = sum(length for _, length in chunks) if isinstance(chunks, list) else len(exchange.content)
    declared = exchange.response_headers.get("content-length", "0")
    if size:
        raised = f"; {exception['type']}: {exception['message']}" if isinstance(exception, dict) else ""
        return f"the app sent {size} bytes after the headers of the 204{raised}"
    if declared.isdigit() and int(declared) > 0:
        return f"Content-Length: {declared}"
    return ""
