"""Values fit their schemas, as a validator sees it, and what must be unique is."""

import re
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

from stanchion.gate.subject import Document
from stanchion.gate.values import Values

pytestmark = pytest.mark.slow

SCHEMAS: dict[str, Any] = {
    "Name": {"type": "string", "minLength": 3},
    "Node": {
        "type": "object",
        "required": ["name", "children"],
        "properties": {
            "name": {"$ref": "#/components/schemas/Name"},
            "children": {"type": "array", "items": {"$ref": "#/components/schemas/Node"}},
        },
    },
    "Loop": {"$ref": "#/components/schemas/Loop"},
    "Base": {"type": "object", "required": ["name"], "properties": {"name": {"type": "string"}}},
}
DOCUMENT = Document({"components": {"schemas": SCHEMAS}})


def ref(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}


def make(schema: Any, name: str = "") -> Any:
    """Return a value, after a validator has taken it."""
    value = Values(DOCUMENT).make(schema, name)
    jsonschema_rs.validator_for(
        {**schema, "components": {"schemas": SCHEMAS}}, validate_formats=True
    ).validate(value)
    return value


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        ({"const": 7}, 7),
        ({"enum": ["low", "high"]}, "low"),
        ({"type": "boolean"}, True),
        ({"type": "null"}, None),
        ({"type": ["null", "integer"]}, 1),
        ({"type": ["null"]}, None),
        ({"anyOf": [{"type": "null"}, {"type": "integer"}]}, 1),
        ({"oneOf": [{"type": "string", "format": "date"}, {"type": "null"}]}, "2026-01-02"),
        ({"anyOf": [{"type": "null"}]}, None),
        ({"type": "integer", "examples": [42]}, 42),
        ({"type": "array", "items": {"type": "integer"}, "examples": [[4, 2]]}, [4, 2]),
        ({"type": "array", "items": {"type": "integer"}}, [1]),
        ({"type": "array", "items": {"type": "integer"}, "minItems": 3}, [1, 1, 1]),
        ({"type": "array", "items": {"enum": ["a"]}}, ["a"]),
        ({"type": "object"}, {}),
        ({"example": "free"}, "free"),
        ({}, None),
    ],
)
def test_simple_schemas(schema: Any, expected: Any) -> None:
    assert make(schema) == expected


@pytest.mark.parametrize("schema", [None, True, [], "text"])
def test_what_is_no_schema_has_no_value(schema: Any) -> None:
    assert Values(DOCUMENT).make(schema) is None


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        ({"type": "integer"}, 1),
        ({"type": "number"}, 1.0),
        ({"type": "integer", "minimum": 5}, 5),
        ({"type": "integer", "minimum": 0}, 0),
        ({"type": "integer", "exclusiveMinimum": 5}, 6),
        ({"type": "integer", "maximum": -5}, -5),
        ({"type": "integer", "exclusiveMaximum": 1}, 0),
        ({"type": "integer", "exclusiveMaximum": 10}, 1),
        ({"type": "integer", "minimum": 7, "multipleOf": 5}, 10),
        ({"type": "integer", "multipleOf": 5}, 5),
        ({"type": "number", "exclusiveMinimum": 0, "maximum": 0.5}, 0.5),
        ({"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1}, 0.5),
        ({"type": "integer", "exclusiveMinimum": 0, "exclusiveMaximum": 2}, 1),
        ({"type": "number", "minimum": 0, "maximum": 1, "multipleOf": 0.25}, 0),
    ],
)
def test_numbers(schema: Any, expected: float) -> None:
    value = make(schema)
    assert value == expected
    assert type(value) is (int if schema["type"] == "integer" else float)


@pytest.mark.parametrize(
    "form",
    [
        "email",
        "uri",
        "date",
        "date-time",
        "time",
        "duration",
        "ipv4",
        "ipv6",
        "hostname",
        "uuid",
        "binary",
        "byte",
        "password",
    ],
)
def test_formats(form: str) -> None:
    assert make({"type": "string", "format": form})


@pytest.mark.parametrize(
    "schema",
    [
        {"minLength": 20},
        {"maxLength": 3},
        {"minLength": 4, "maxLength": 4},
        {"pattern": "^[A-Z]{3}-[0-9]{4}$"},
        {"pattern": "^[a-z0-9-]+$", "minLength": 10, "maxLength": 12},
        {"pattern": "^[A-Z]", "minLength": 8},
        {"pattern": "^name"},
        {"pattern": "^[a-z0-9 ]+$", "minLength": 30},
        {"examples": ["ada"], "pattern": "^ada$"},
        {"maxLength": 2, "examples": ["ab"]},
        {"format": "password", "maxLength": 8},
    ],
)
def test_texts_fit(schema: Any) -> None:
    assert make({"type": "string", **schema}, "name")


def test_a_pattern_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert re.fullmatch(r"[A-Z]{9}", make({"type": "string", "pattern": "^[A-Z]{9}$"}))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("schema", [{"pattern": r"^\p{Lu}+$"}, {"pattern": "^a$", "minLength": 3}])
def test_a_pattern_that_cannot_be_met_is_left(schema: Any) -> None:
    assert Values(DOCUMENT).make({"type": "string", **schema}, "code") == "code 1"


@pytest.mark.parametrize(
    ("name", "schema"),
    [
        ("email", {}),
        ("work_email", {"examples": ["ada@example.com"]}),
        ("title", {"examples": ["Buy milk"]}),
        ("name", {"maxLength": 6, "examples": ["a long name"]}),
        ("slug", {"pattern": "^slug [0-9]+$"}),
        ("note", {}),
        ("id", {"format": "uuid"}),
        ("homepage", {"format": "uri"}),
    ],
)
def test_values_are_unique(name: str, schema: Any) -> None:
    values = Values(DOCUMENT)
    made = [values.make({"type": "string", **schema}, name) for _ in range(12)]
    assert len(set(made)) == 12
    other = Values(DOCUMENT, first=1_234_567)
    assert len({*made, *(other.make({"type": "string", **schema}, name) for _ in range(12))}) == 24
    if name.endswith("email"):
        assert all(re.fullmatch(r"probe\d+@example\.com", one) for one in made)


def test_an_example_is_taken_where_it_need_not_be_unique() -> None:
    assert make({"type": "string", "examples": ["red"]}, "colour") == "red"
    assert make({"type": "string", "example": "red"}, "colour") == "red"
    assert make({"type": "string"}, "new_password") == "Correct-horse-battery-9"


def test_objects_have_what_is_required() -> None:
    schema = {
        "type": "object",
        "required": ["email", "address", "tags"],
        "properties": {
            "email": {"type": "string", "format": "email"},
            "note": {"type": "string"},
            "address": {"required": ["street"], "properties": {"street": ref("Name"), "zip": {}}},
            "tags": {"type": "array", "items": ref("Base"), "minItems": 2},
        },
    }
    assert make(schema) == {
        "email": "probe1@example.com",
        "address": {"street": "street 2"},
        "tags": [{"name": "name 3"}, {"name": "name 4"}],
    }


def test_all_of_is_merged() -> None:
    more = {"type": "object", "required": ["age"], "properties": {"age": {"type": "integer"}}}
    assert make({"allOf": [ref("Base"), {"allOf": [more]}]}) == {"name": "name 1", "age": 1}
    assert make({"allOf": [ref("Name")], "description": "a name"}, "title") == "title 1"
    assert make({"allOf": [ref("Name")], "minLength": 12}) == "text 1xxxxxx"


def test_recursion_ends() -> None:
    made = make(ref("Node"))
    depth = 0
    while made["children"]:
        (made,), depth = made["children"], depth + 1
    assert 0 < depth < 10
    assert Values(DOCUMENT).make(ref("Loop")) is None
    assert Values(DOCUMENT).make(ref("Missing")) is None
