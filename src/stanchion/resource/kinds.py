"""The kinds of JSON values that a field may have, and how a cell of CSV is read as one of them."""

from collections.abc import Callable, Mapping
from copy import copy
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import BaseModel, GetCoreSchemaHandler, SerializerFunctionWrapHandler, create_model
from pydantic.json_schema import JsonSchemaMode
from pydantic_core import CoreSchema, core_schema, from_json, to_json

Kinds = frozenset[str]
"""Of "null", "boolean", "number", "string", "array", "object"; "choice" where only some values will do."""

NULL = "\udc00"
"""A cell that stands for null. No file holds this text: it has no form in UTF-8."""
READINGS = ("cell-as-text", "cell-as-json", "cell-as-string", "cell-as-null")
"""What stands in the place of an error, after the field, for how its cell was read."""
_TEXT, _JSON, _STRING, _NULL = READINGS
_ALL = frozenset({"null", "boolean", "number", "string", "array", "object"})
_PARTS = frozenset({"array", "object"})


def kinds(schema: type[BaseModel]) -> dict[str, Kinds]:
    """Return the kinds of each field, by its name: those that the schema writes and takes."""
    written, taken = _of_fields(schema, "serialization"), _of_fields(schema, "validation")
    return {name: written.get(name, one) & one or one for name, one in taken.items()}


def resolved(document: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the schema that a document is of: that of a model which holds itself stands behind a $ref."""
    found: Mapping[str, Any] = document
    if "$ref" in document:
        found = document.get("$defs", {}).get(document["$ref"].rpartition("/")[2], {})
    return found


def is_mixed(kinds: Kinds) -> bool:
    """Tell whether a text stands beside values of other kinds: then `7` and `"7"` are not the same."""
    return "string" in kinds and not _is_plain(kinds)


def is_json(text: str) -> bool:
    """Tell whether a text can be read as JSON."""
    try:
        from_json(text)
    except ValueError:
        return False
    return True


def of_cells(schema: type[BaseModel], kinds: Mapping[str, Kinds]) -> type[BaseModel]:
    """Return the schema with its fields, of these kinds, read from the cells of CSV, or NULL.

    A text is a text; a list, an object and the choices among numbers are read from JSON; where a field may
    be a text or something else, what is JSON is read as that.
    """
    changed: dict[str, Any] = {}
    for name, field in schema.model_fields.items():
        reading = Cell(kinds.get(name, frozenset({"string"})))
        if reading.is_needed:
            # Inside: a limit on a field that may be null is Pydantic's own affair there.
            inside = (field.annotation, *field.metadata, reading)
            bare = copy(field)
            bare.metadata = []
            changed[name] = (Annotated[inside], bare)
    return create_model(f"{schema.__name__}Row", __base__=schema, **changed)


@dataclass(frozen=True)
class Cell:
    """Reads a field from a cell, for an annotation: as a text, as JSON or as null, by its kinds."""

    kinds: Kinds

    @property
    def is_needed(self) -> bool:
        """Tell whether not every cell is simply a text."""
        return "null" in self.kinds or not _is_plain(self.kinds)

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        inner = handler(source)
        json = core_schema.json_schema(inner)
        return core_schema.tagged_union_schema(
            {
                _TEXT: inner,
                _JSON: json,
                _STRING: core_schema.no_info_before_validator_function(_quoted, json),
                _NULL: core_schema.no_info_before_validator_function(_none, inner),
            },
            discriminator=self._reading(),
            # It is written as ever: how it was read is nothing to that.
            serialization=core_schema.wrap_serializer_function_ser_schema(_written, schema=inner),
        )

    def _reading(self) -> Callable[[Any], str]:
        plain, only_parts = _is_plain(self.kinds), self.kinds - {"null", "choice"} <= _PARTS
        # Beside a text the loose readings of others do not count: `no` is a text, and not False.
        otherwise = _STRING if is_mixed(self.kinds) else _TEXT

        def reading(cell: Any) -> str:
            if cell == NULL:
                return _NULL
            if plain:
                return _TEXT
            return _JSON if only_parts or is_json(cell) else otherwise

        return reading


def _of_fields(schema: type[BaseModel], mode: JsonSchemaMode) -> dict[str, Kinds]:
    document = schema.model_json_schema(mode=mode, by_alias=False)
    parts = document.get("$defs", {})
    return {name: _kinds(one, parts) for name, one in resolved(document).get("properties", {}).items()}


def _quoted(text: str) -> bytes:
    return to_json(text)


def _none(_: Any) -> None:
    return None


def _written(value: Any, handler: SerializerFunctionWrapHandler) -> Any:
    return handler(value)


def _is_plain(kinds: Kinds) -> bool:
    """Tell whether the text of a cell says all: texts alone, numbers alone, or yes and no."""
    rest = kinds - {"null"}
    return rest - {"choice"} <= {"string"} or rest in ({"number"}, {"boolean"})


def _kinds(schema: Mapping[str, Any], parts: Mapping[str, Any]) -> Kinds:
    if "$ref" in schema:
        # A name that stands for itself at once is no schema; one that holds itself is an object.
        return _kinds(parts.get(schema["$ref"].rpartition("/")[2], {}), parts)
    if "const" in schema or "enum" in schema:
        values = schema.get("enum", [schema.get("const")])
        return frozenset({"choice", *(_of(value) for value in values)})
    choices = [*schema.get("anyOf", ()), *schema.get("oneOf", ()), *schema.get("allOf", ())]
    if choices:
        return frozenset().union(*(_kinds(one, parts) for one in choices))
    types = schema.get("type", [])
    named = [types] if isinstance(types, str) else types
    return frozenset("number" if one == "integer" else one for one in named) or _ALL


def _of(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    return "string" if isinstance(value, str) else "number"
