"""The operations that stream, read once."""

from collections.abc import Iterator

from stanchion.gate.live import Exchange
from stanchion.gate.model import NotChecked
from stanchion.gate.subject import Operation, Subject

TYPES = (
    "text/event-stream",
    "application/x-ndjson",
    "application/jsonl",
    "application/json-seq",
    "text/plain",
)
READ_FOR = 3.0
"""Seconds for which a stream is read."""


def streams(subject: Subject) -> Iterator[tuple[Operation, Exchange]]:
    """Give each operation whose answer has no length, with what was read of it for three seconds.

    Raises NotChecked where there is none.
    """
    running = subject.running
    found = False
    for operation in subject.document.operations:
        if "{" in operation.path or operation.method not in ("GET", "POST"):
            continue
        responses = operation.spec.get("responses", {})
        media = {
            kind for one in responses.values() for kind in subject.document.resolve(one).get("content", {})
        }
        if operation.method == "POST" and not media & set(TYPES):
            continue  # it would make something
        body = running.journey.body(operation) if operation.method == "POST" else None
        exchange = running.ask(operation, json_body=body, read_for=READ_FOR)
        if exchange.status == 200 and "content-length" not in exchange.response_headers:
            found = True
            yield operation, exchange
    if not found:
        raise NotChecked("no operation streams", applies=False)
