"""A row as an example for the OpenAPI document."""

from typing import Any

from pydantic import BaseModel

_OF_TYPE = {"integer": 7, "number": 1.5, "boolean": True, "array": [], "object": {}}
_OF_FORMAT = {
    "date-time": "2026-01-31T09:30:00Z",
    "date": "2026-01-31",
    "uuid": "8f14e45f-ceea-467f-9575-2d1f2b0a3c11",
}


class Sample(BaseModel):
    """Takes any fields, in their order."""

    model_config = {"extra": "allow"}


def sample(schema: type[BaseModel], *, output: bool = False) -> Sample:
    """Return a row of this schema: of the examples of its fields, or of what fits their types."""
    document = schema.model_json_schema(mode="serialization" if output else "validation")
    parts = document.get("$defs", {})
    return Sample(**{name: _value(one, parts) for name, one in document.get("properties", {}).items()})


def _value(schema: dict[str, Any], parts: dict[str, Any]) -> Any:
    if "examples" in schema:
        return schema["examples"][0]
    if "default" in schema:
        return schema["default"]
    if "$ref" in schema:
        return _value(parts[schema["$ref"].rpartition("/")[2]], parts)
    for one in (*schema.get("anyOf", ()), *schema.get("oneOf", ())):
        return _value(one, parts)
    if "enum" in schema or "const" in schema:
        return schema.get("const", schema.get("enum", [None])[0])
    if schema.get("format") in _OF_FORMAT:
        return _OF_FORMAT[schema["format"]]
    return _OF_TYPE.get(schema.get("type", ""), "text")
