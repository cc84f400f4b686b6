"""The shape of a response: whether its rows can be written as JSON without the model, and how."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

_HARMLESS = frozenset({"title", "extra_fields_behavior", "from_attributes"})
"""The settings of a model that change nothing of what it writes."""
_MARKS = frozenset({"type", "metadata", "ref"})
_PLAIN: Mapping[str, frozenset[str]] = {
    "int": _MARKS,
    "bool": _MARKS,
    "str": _MARKS,
    "date": _MARKS,
    "uuid": _MARKS,
    "float": _MARKS,
    "decimal": _MARKS,
    "datetime": _MARKS | {"microseconds_precision", "tz_constraint"},
    "enum": _MARKS | {"cls", "members", "sub_type"},
}
"""The types of fields that are known, each with all that may be said of it. A constraint, a validator or a
serializer is something else: what it does to a value that is read, Pydantic alone knows."""


@dataclass(frozen=True, slots=True)
class Field:
    """A field of a response: what it reads of a row, the name that it writes, and the type of its values."""

    attribute: str
    name: str
    kind: str
    nullable: bool
    enum: type[Any] | None = None


def shape(response: type[BaseModel]) -> list[Field] | None:
    """Return the fields of a response in their order; None where Pydantic has to write it.

    It reads the schema that Pydantic's core runs, in which every validator, serializer, alias and setting
    of the model and its bases stands.
    """
    schema: Any = response.__pydantic_core_schema__
    known = {one["ref"]: one for one in schema.get("definitions", ())}
    model = _resolved(schema, known)
    if (
        model["type"] != "model"
        or model.get("root_model")
        or not _HARMLESS.issuperset(model.get("config", {}))
    ):
        return None
    if model.get("extra_behavior") == "allow" or model["config"].get("extra_fields_behavior") == "allow":
        return None
    inner = _resolved(model["schema"], known)
    if model.keys() & {"serialization", "post_init"} or model.get("custom_init"):
        return None
    if inner["type"] != "model-fields" or inner.get("computed_fields") or inner.get("extras_schema"):
        return None
    fields = [
        _field(name, one, known)
        for name, one in inner["fields"].items()
        if not one.get("serialization_exclude")
    ]
    found = [one for one in fields if one is not None]
    return found if len(found) == len(fields) else None


def _field(name: str, field: Any, known: Mapping[str, Any]) -> Field | None:
    if field.keys() - {"type", "schema", "metadata", "serialization_alias", "serialization_exclude"}:
        return None  # an alias that is read, or a condition
    schema = _resolved(field["schema"], known)
    if schema["type"] == "default":
        schema = _resolved(schema["schema"], known)
    nullable = schema["type"] == "nullable"
    if nullable:
        schema = _resolved(schema["schema"], known)
    allowed = _PLAIN.get(schema["type"])
    if allowed is None or schema.keys() - allowed or schema.get("tz_constraint", "aware") != "aware":
        return None
    return Field(name, field.get("serialization_alias", name), schema["type"], nullable, schema.get("cls"))


def _resolved(schema: Any, known: Mapping[str, Any]) -> Any:
    while schema["type"] in ("definitions", "definition-ref"):
        schema = schema["schema"] if schema["type"] == "definitions" else known[schema["schema_ref"]]
    return schema
