"""Server-Sent Events as bytes: the WHATWG's HTML standard, section 9.2."""

import json
import random

from stanchion.database.changes import Event
from stanchion.events.log import Position, position_of

RESET = b"event: reset\ndata: {}\n\n"
"""Events were missed that are no longer known: the client reads the list again."""


def frame(event: Event) -> bytes:
    """Return an event as a client gets it."""
    told = {
        "kind": event.kind,
        "key": event.key,
        "version": event.version,
        "at": event.created_at.isoformat().replace("+00:00", "Z"),
        "request_id": event.request_id,
    }
    head = json.dumps(told, ensure_ascii=False, separators=(",", ":"))[:-1]
    # What is a line's end here is no more than a space in JSON.
    data = event.data.replace("\r", " ").replace("\n", " ")
    lines = f'id: {position_of(event)}\nevent: {event.kind}\ndata: {head},"data":{data}}}\n\n'
    return lines.encode("utf-8", "surrogatepass")


def hello(position: Position) -> bytes:
    """Return what a stream begins with: where the client stands, and when to come back after an end.

    An `id` without data is no event, and is kept as the last one's. Not all come back at the same time.
    """
    return f"retry: {random.randint(1000, 3000)}\nid: {position}\n\n".encode()  # noqa: S311 - spreads clients


def heartbeat(position: Position) -> bytes:
    """Return a sign of life, with the position up to which there is nothing for this client.

    One that sees few events comes back with a late position that is still known.
    """
    return f"id: {position}\n: ping\n\n".encode()
