"""Bodies that are no JSON: forms, with and without files."""

from collections.abc import Mapping
from typing import Any

import httpx2

from stanchion.gate.subject import Document, Operation
from stanchion.gate.values import Values

_FORMS = ("application/x-www-form-urlencoded", "multipart/form-data")
_FILE = ("probe.txt", b"stanchion check\n", "text/plain")


def is_json(media_type: str) -> bool:
    """Tell a media type of one JSON value (RFC 8259; RFC 6839, 3.1) from others, such as lines of JSON."""
    kind = media_type.partition(";")[0].strip().lower()
    return kind == "application/json" or kind.endswith("+json")


def example_of(document: Document, operation: Operation) -> tuple[bytes, str] | None:
    """Return the document's own example of a body that is neither JSON nor a form, and its media type."""
    content = document.resolve(operation.spec.get("requestBody", {})).get("content", {})
    for kind, media in content.items():
        examples = [document.resolve(one).get("value") for one in media.get("examples", {}).values()]
        texts = [one for one in (media.get("example"), *examples) if isinstance(one, str)]
        if texts and not is_json(kind) and kind not in _FORMS:
            return texts[0].encode(), kind
    return None


def form_of(document: Document, operation: Operation) -> tuple[str, Mapping[str, Any]] | None:
    """Return the media type and the schema of an operation's form; None where it takes none, or JSON too."""
    content = document.resolve(operation.spec.get("requestBody", {})).get("content", {})
    if any(is_json(kind) for kind in content):
        return None
    for kind in _FORMS:
        if kind in content:
            return kind, document.resolve(content[kind].get("schema", {}))
    return None


def encoded(media_type: str, schema: Mapping[str, Any], values: Values) -> tuple[bytes, str]:
    """Return a form with all that its schema requires, and its Content-Type."""
    properties = schema.get("properties", {})
    files = {name: _FILE for name, part in properties.items() if _is_file(part)}
    made = values.make({**schema, "properties": {k: v for k, v in properties.items() if k not in files}})
    fields = {name: str(value) for name, value in (made or {}).items() if value is not None}
    if media_type == _FORMS[0]:
        request = httpx2.Request("POST", "http://form", data=fields)
    else:
        parts = {name: (None, value.encode()) for name, value in fields.items()}
        request = httpx2.Request("POST", "http://form", files={**parts, **files})
    return request.read(), request.headers.get("Content-Type", media_type)


def _is_file(schema: Any) -> bool:
    one = schema.get("items", schema) if isinstance(schema, dict) else {}
    return one.get("format") == "binary" or "contentMediaType" in one
