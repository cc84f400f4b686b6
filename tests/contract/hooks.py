"""What schemathesis cannot know from the document: the users that exist, cursors, and keys that are new."""

import os
import uuid
from typing import Any

import schemathesis
from schemathesis import GenerationMode

USER_ID = os.environ["SCHEMATHESIS_USER_ID"]


@schemathesis.serializer("application/x-ndjson")
def as_lines(context: Any, value: Any) -> bytes:
    """Send a file as the text that it is: schemathesis knows no JSON lines."""
    return str(value).encode("utf-8", "surrogatepass")


@schemathesis.hook
def before_call(context: Any, case: schemathesis.Case[Any], kwargs: dict[str, Any]) -> None:
    """Let valid data be what only the server knows to be; the rest is a 422, which is tested by hand."""
    generation = case.meta.generation if case.meta else None
    if generation is not None and generation.mode is GenerationMode.NEGATIVE:
        if case.query and case.query.get("on_error") == "continue":
            case.query["on_error"] = "stop"  # what is bad would be told item by item, in a 200
        return
    if generation is None or generation.mode is not GenerationMode.POSITIVE:
        return
    if "X-User-ID" in (case.headers or {}):
        case.headers["X-User-ID"] = USER_ID
    if "Idempotency-Key" in (case.headers or {}):
        case.headers["Idempotency-Key"] = uuid.uuid4().hex  # one that was sent with another body is a 422
    if case.query:
        case.query.pop("cursor", None)  # only the server makes them; a forged one is a 422
