"""Bodies that are no JSON: forms, with and without files."""

from collections.abc import Mapping
from typing import Any

import httpx2

from stanchion.gate.subject import Document, Operation
from stanchion.gate.values import Values

_FORMS = ("application/x-www-form-urlencoded", "multipart/form-data")
_FILE = ("probe.txt", b"stanchion check\n", "text/plain")


def form_of(document: Document, operation: Operation) -> tuple[str, Mapping[str, Any]] | None:
    """Return the media type and the schema of an operation's form; None where it takes none, or JSON too."""
    content = document.resolve(operation.spec.get("requestBody", {})).get("content", {})
    if any("json" in kind for kind in content):
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
