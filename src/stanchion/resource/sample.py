"""A row as an example for the OpenAPI document."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import BaseModel, ValidationError

from stanchion.resource.kinds import resolved

_OF_FORMAT = {
    "date-time": "2026-01-31T09:30:00Z",
    "date": "2026-01-31",
    "time": "09:30:00",
    "duration": "PT1H30M",
    "email": "ada@example.com",
    "name-email": "Ada <ada@example.com>",
    "uri": "https://example.com/",
    "uuid": "8f14e45f-ceea-467f-9575-2d1f2b0a3c11",
    "ipv4": "192.0.2.1",
    "ipv6": "2001:db8::1",
}
_TEXTS = ("text", "1.50", "7", "A", "a")
_DEEPEST = 3
"""Objects within objects, beyond which what may be null is null."""


class Sample(BaseModel):
    """Takes any fields, in their order."""

    model_config = {"extra": "allow"}


def sample(schema: type[BaseModel], *, output: bool = False) -> Sample | None:
    """Return a row of this schema, as it is sent or, with `output`, written: of the examples of its fields,
    or of what fits their types.

    Returns None where what was found does not fit: a pattern, or a rule between two fields, is not guessed.
    """
    document = schema.model_json_schema()
    parts = document.get("$defs", {})
    try:
        found = {name: _value(one, parts) for name, one in resolved(document).get("properties", {}).items()}
        made = Sample(**found)
        row = schema.model_validate_json(made.model_dump_json())
    except (ValidationError, RecursionError):
        return None
    return Sample(**row.model_dump(mode="json", by_alias=True)) if output else made


def _value(schema: Mapping[str, Any], parts: Mapping[str, Any], depth: int = 0) -> Any:
    if "examples" in schema:
        return schema["examples"][0]
    if "default" in schema:
        return schema["default"]
    if "$ref" in schema:
        return _value(parts[schema["$ref"].rpartition("/")[2]], parts, depth)
    if choices := [*schema.get("anyOf", ()), *schema.get("oneOf", ()), *schema.get("allOf", ())]:
        may_be_null = any(one.get("type") == "null" for one in choices)
        return None if may_be_null and depth >= _DEEPEST else _value(choices[0], parts, depth)
    if "enum" in schema or "const" in schema:
        return schema.get("const", schema.get("enum", [None])[0])
    kind = schema.get("type")
    if kind in ("integer", "number"):
        return next(_numbers(schema, 7 if kind == "integer" else 1.5), None)
    if kind == "array":
        return _list(schema, parts, depth)
    if kind == "object":
        needed = schema.get("required", ())
        properties = schema.get("properties", {})
        return {name: _value(properties[name], parts, depth + 1) for name in needed if name in properties}
    return True if kind == "boolean" else None if kind == "null" else _text(schema)


def _list(schema: Mapping[str, Any], parts: Mapping[str, Any], depth: int) -> list[Any]:
    first = [_value(one, parts, depth + 1) for one in schema.get("prefixItems", ())]
    missing = schema.get("minItems", 0) - len(first)
    return first + [_value(schema.get("items", {}), parts, depth + 1) for _ in range(missing)]


def _numbers(schema: Mapping[str, Any], usual: float) -> Iterator[float]:
    """Give the usual number, or one beside a limit, as far as they are within the limits."""
    lowest, above = schema.get("minimum"), schema.get("exclusiveMinimum")
    highest, below = schema.get("maximum"), schema.get("exclusiveMaximum")
    step = schema.get("multipleOf", 1)
    beside = [lowest, above and above + step, highest, below and below - step, step, 0]
    if above is not None and below is not None:
        beside.append((above + below) / 2)
    for one in (usual, *beside):
        if (
            one is not None
            and (lowest is None or one >= lowest)
            and (above is None or one > above)
            and (highest is None or one <= highest)
            and (below is None or one < below)
            and ("multipleOf" not in schema or not one % step)
        ):
            yield one


def _text(schema: Mapping[str, Any]) -> str:
    if schema.get("format") in _OF_FORMAT:
        return _OF_FORMAT[schema["format"]]
    shortest, longest = schema.get("minLength", 0), schema.get("maxLength")
    texts = [text.ljust(shortest, text[-1])[:longest] for text in _TEXTS]
    pattern = schema.get("pattern", "")
    try:
        return next((text for text in texts if re.search(pattern, text)), texts[0])
    except re.error:  # what Pydantic's own engine knows, and Python's does not
        return texts[0]
