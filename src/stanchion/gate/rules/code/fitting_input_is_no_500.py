"""
# C04: what fits the schema is never a 500

## What it does
Makes requests that fit the OpenAPI document, with Schemathesis, up to fifteen for each operation and the
same ones in every run, and sends them as whoever may ask. A `5xx` or a connection that is dropped is
shown with the smallest request that has it, and with the line that raised. By its URL alone a backend is
asked with GET and POST, and with nothing that may take something away. What is documented as `501` or
`503` is not judged, nor what the app could not reach because the gate kept it from it.

## Why it is bad
The document says that the request is right, and the server answers that it has failed. A client can only
try again, and whoever is on call reads a traceback where a `409` or a `422` would have said it all.

## Example
```python
@app.get("/things")
async def list_things(limit: int = 50, page: int = 1) -> list[Thing]:
    pages = len(things) // limit  # limit=0 is an int, too
```

## Use instead
```python
@app.get("/things")
async def list_things(limit: Annotated[int, Query(ge=1, le=100)] = 50, ...) -> list[Thing]: ...
```
"""

import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from urllib.parse import unquote

import httpx2

from stanchion.gate.belongings import adds
from stanchion.gate.evidence import seen
from stanchion.gate.generated import Request, Requests
from stanchion.gate.live import Exchange
from stanchion.gate.model import Finding, Kind, Line, NotChecked, Severity, Verdict, rule
from stanchion.gate.running import Running
from stanchion.gate.subject import Operation, Subject

_EXAMPLES = 15
_FEWER = 4
"""Where one takes long: a password is hashed, or there are many operations."""
_STREAMED = 2
_IN_ALL = 160
_SHRINKING = 40
"""Requests that may go into finding the smallest."""
_GUARD = 20.0
"""Seconds; what is not asked until then is reported as such, and never as passed."""
_SLOW = 2.0
"""Seconds for one answer, after which its operation is asked no more."""
_DROPPED = ("ReadError", "RemoteProtocolError")
_LEAVING = re.compile(r"log-?_?out|sign-?_?out|revoke|rotate|deactivate|shutdown|reset", re.IGNORECASE)

Place = tuple[str, str, int]
"""Of an exception: its type, file and line; all empty where none was seen."""


@rule(
    "C04",
    "What fits the schema never gives 500",
    severity=Severity.major,
    kind=Kind.instrumented,
    line=Line.exceptions,
    turn=1,
)
def fitting_input_is_no_500(subject: Subject) -> Iterator[Finding]:
    """Ask operation by operation, what deletes last; what could not be asked is the reason at the end."""
    running, operations = subject.running, sorted(subject.document.operations, key=_turn)
    if not running.live.may_write:
        raise NotChecked("it sends hundreds of requests, and that is for a backend of your own")
    if not operations:
        raise NotChecked("the document has no operation", applies=False)
    requests = Requests(subject.document)
    until = time.monotonic() + _GUARD
    left: dict[str, str] = {}
    let_in = False
    for operation in operations:
        if running.live.is_outside and not adds(operation.method, operation.path):
            left[operation.name] = "from outside, nothing is sent that may take away"
            continue
        asking = _Asking(running, operation, until)
        examples = _examples(subject, operation, len(operations))
        if time.monotonic() > until:
            left[operation.name] = f"{_GUARD:.0f} seconds were over"
        elif not requests.has(operation.name) or not asking.run(requests, examples):
            left[operation.name] = "no request could be made of its schema"
        elif asking.why:
            left[operation.name] = asking.why
        let_in = let_in or asking.let_in
        yield from asking.findings(subject)
    if not let_in:
        raise NotChecked("every operation refused every request: 401, 403 or 429")
    if left:
        name, why = next(iter(left.items()))
        more = f" and {len(left) - 1} more" if len(left) > 1 else ""
        raise NotChecked(
            f"{len(operations) - len(left)} of {len(operations)} were asked; {name}{more}: {why}"
        )


def _turn(operation: Operation) -> tuple[bool, bool, bool]:
    """Sort what may end a session, or delete, behind the rest."""
    deletes = operation.method == "DELETE"
    return deletes and "{" not in operation.path, deletes, bool(_LEAVING.search(operation.path))


def _examples(subject: Subject, operation: Operation, operations: int) -> int:
    """Return how many requests an operation gets, by its document alone."""
    responses = map(subject.document.resolve, operation.spec.get("responses", {}).values())
    if any(
        "event-stream" in kind or "json-seq" in kind for one in responses for kind in one.get("content", {})
    ):
        return _STREAMED
    body = subject.running.journey.body(operation)
    hashes = isinstance(body, dict) and any("password" in name for name in body)
    forms = subject.document.resolve(operation.spec.get("requestBody", {})).get("content", {})
    if hashes or "application/x-www-form-urlencoded" in forms:
        return _FEWER
    return max(_FEWER, min(_EXAMPLES, _IN_ALL // operations))


def _known(running: Running, operation: Operation) -> Mapping[str, object]:
    """Return the path parameters whose values the journey knows."""
    found = {}
    for resource in running.journey.resources:
        path = running.journey.last(resource)
        if path and f"{operation.path}/".startswith(f"{resource.item_path}/"):
            before, _, after = resource.item_path.partition(f"{{{resource.parameter}}}")
            found[resource.parameter] = unquote(path.removeprefix(before).removesuffix(after))
    return found


class _Asking:
    """One operation under requests that fit: each is sent once."""

    def __init__(self, running: Running, operation: Operation, until: float) -> None:
        self._running, self._operation, self._until = running, operation, until
        self._headers = dict(running.who.headers) if running.who else {}
        self._places: dict[Request, Place | None] = {}
        self._broken: dict[Place, list[tuple[Request, Exchange]]] = {}
        self._left = 0
        self.let_in = False
        self.why = ""
        """Why it was asked no further."""

    def run(self, requests: Requests, examples: int) -> bool:
        """Ask, and tell whether there was anything to ask with."""
        self._left = examples
        known = _known(self._running, self._operation)
        return requests.smallest(self._operation.name, known, self._is_broken, examples=examples)

    def findings(self, subject: Subject) -> Iterator[Finding]:
        """Give the smallest request of each place; what came once, and not again, is only suspected."""
        for place, found in self._broken.items():
            request, exchange = min(found, key=lambda one: one[0].size)
            repeated = len(found) > 1 or self._comes_again(request)
            kind, file, line = place
            raised = f": {kind}" if kind else ""
            answered = f"is answered {exchange.status}" if exchange.status >= 500 else "ends the connection"
            finding = seen(
                subject,
                self._operation,
                exchange,
                message=f"A request that fits the schema {answered}{raised}.",
                figure=f"{kind} in {file}, line {line}" if file else "",
                after=self._running.journey.creation(exchange.path.partition("?")[0]),
                advice="Narrow the schema to what is handled, or answer with a 4xx that says what is wrong.",
            )
            if file:
                finding = replace(finding, file=file, line=line)
            yield finding if repeated else replace(finding, verdict=Verdict.suspected)

    def _comes_again(self, request: Request) -> bool:
        again = self._send(request)
        return again is not None and self._fails(again) and self._place(again) is not None

    def _is_broken(self, request: Request) -> bool:
        if request not in self._places:
            if self._left <= 0 or self.why or time.monotonic() > self._until:
                return False
            self._left -= 1
            self._places[request] = self._asked(request)
        place = self._places[request]
        # The first one is what Hypothesis makes smaller; others are kept as they come.
        return place is not None and place == next(iter(self._broken))

    def _asked(self, request: Request) -> Place | None:
        exchange = self._send(request)
        if exchange is None:
            return None
        if exchange.seconds > _SLOW:
            self._left = 0
        if exchange.status not in (0, 401, 403, 429):
            self.let_in = True
        if not self._fails(exchange):
            return None
        place = self._place(exchange)
        if place is not None:
            if not self._broken:
                self._left = _SHRINKING
            self._broken.setdefault(place, []).append((request, exchange))
        return place

    def _send(self, request: Request) -> Exchange | None:
        own = {name.lower() for name in self._headers}
        made = {name: value for name, value in request.headers if name.lower() not in own}
        headers = {**made, **self._headers}
        try:
            return self._running.live.send(
                request.method, request.path, content=request.content, headers=headers, read_for=0.3
            )
        except (NotChecked, ValueError, httpx2.InvalidURL):
            return None  # no client could send it, or may

    def _fails(self, exchange: Exchange) -> bool:
        if exchange.status in (501, 503) and str(exchange.status) in self._operation.spec.get(
            "responses", {}
        ):
            return False
        return exchange.status >= 500 or (exchange.failure.partition(":")[0] in _DROPPED)

    def _place(self, exchange: Exchange) -> Place | None:
        """Return what raised; None where the gate itself had kept the app from something."""
        if exchange.kept:
            self.why = f"it wants to reach {exchange.kept}, which it may not: see --allow"
            return None
        try:
            (inside,) = self._running.live.inside(exchange)
        except NotChecked:
            return "", "", 0  # from outside
        raised = inside.get("exception")
        if raised is None:
            return ("", "", 0) if exchange.status >= 500 or exchange.status == 0 else None
        return raised["type"], raised["file"], raised["line"]
