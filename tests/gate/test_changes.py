"""Which changes of a document break a client of the one before it, and which do not."""

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from stanchion.gate.changes import Change, breaking
from stanchion.gate.model import NotChecked
from stanchion.gate.rules.contract.no_breaking_change import no_breaking_change
from stanchion.gate.source import Source
from stanchion.gate.subject import Document, Loaded, Subject

Node = dict[str, Any]
Edit = Callable[[Node], object]

REF = {"$ref": "#/components/schemas/Thing"}
BASE: Node = {
    "openapi": "3.1.0",
    "paths": {
        "/things": {
            "get": {
                "parameters": [
                    {"name": "limit", "in": "query", "schema": {"type": "integer", "maximum": 100}},
                    {"name": "X-Trace", "in": "header", "schema": {"type": "string"}},
                ],
                "responses": {
                    "200": {"content": {"application/json": {"schema": {"type": "array", "items": REF}}}},
                    "404": {},
                },
            },
            "post": {
                "requestBody": {
                    "content": {
                        "application/json": {"schema": {"$ref": "#/components/schemas/ThingCreate"}},
                        "text/csv": {"schema": {"type": "string"}},
                    }
                },
                "responses": {"201": {"content": {"application/json": {"schema": REF}}}},
            },
        },
        "/things/{thing_id}": {
            "get": {
                "parameters": [
                    {"name": "thing_id", "in": "path", "required": True, "schema": {"type": "integer"}}
                ],
                "responses": {"200": {"content": {"application/json": {"schema": REF}}}},
            },
            "delete": {"deprecated": True, "responses": {"204": {}}},
        },
    },
    "components": {
        "securitySchemes": {
            "Bearer": {"type": "http", "scheme": "bearer"},
            "OAuth": {"type": "oauth2", "flows": {}},
            "Key": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
        },
        "schemas": {
            "Colour": {"type": "string", "enum": ["red", "blue"]},
            "ThingCreate": {
                "type": "object",
                "required": ["name"],
                "properties": {
                    "name": {"type": "string", "maxLength": 50},
                    "size": {"type": "number", "minimum": 1},
                    "note": {"anyOf": [{"type": "string"}, {"type": "null"}]},
                    "colour": {"$ref": "#/components/schemas/Colour"},
                    "parent": {"anyOf": [{"$ref": "#/components/schemas/ThingCreate"}, {"type": "null"}]},
                    "form": {"anyOf": [{"type": "string", "maxLength": 9}, {"type": "integer"}]},
                },
            },
            "Thing": {
                "type": "object",
                "required": ["id", "name", "colour"],
                "properties": {
                    "id": {"type": "integer"},
                    "name": {"type": "string", "format": "uuid"},
                    "extra": {"type": "string"},
                    "colour": {"$ref": "#/components/schemas/Colour"},
                    "parts": {"type": "array", "items": REF},
                    "labels": {"type": "object", "additionalProperties": {"type": "string"}},
                },
            },
        },
    },
}


def edited(edit: Edit) -> Document:
    content = copy.deepcopy(BASE)
    edit(content)
    return Document(content)


def schema(content: Node, name: str) -> Node:
    found: Node = content["components"]["schemas"][name]
    return found


def sent(name: str, value: Any) -> Edit:
    return lambda content: schema(content, "ThingCreate")["properties"].__setitem__(name, value)


def received(name: str, value: Any) -> Edit:
    return lambda content: schema(content, "Thing")["properties"].__setitem__(name, value)


def listing(content: Node) -> Node:
    found: Node = content["paths"]["/things"]["get"]
    return found


def creation(content: Node) -> Node:
    found: Node = content["paths"]["/things"]["post"]
    return found


def parameter(**more: Any) -> Edit:
    return lambda content: listing(content)["parameters"][0].update(more)


def messages(changes: list[Change], *, certain: bool = True) -> list[str]:
    return [one.message for one in changes if one.certain is certain]


def test_the_same_document_breaks_nothing() -> None:
    assert breaking(Document(BASE), Document(copy.deepcopy(BASE))) == []
    assert breaking(Document({}), Document(BASE)) == []


def test_a_limit_that_no_stored_number_passes_breaks_nothing() -> None:
    def breaks(most: int) -> list[str]:
        after = copy.deepcopy(BASE)
        old = copy.deepcopy(BASE)
        listing(old)["parameters"][0]["schema"] = {"type": "integer"}
        listing(after)["parameters"][0]["schema"] = {"type": "integer", "maximum": most}
        return messages(breaking(Document(old), Document(after)))

    assert breaks(2**63 - 1) == []
    assert breaks(2**62) == ["The query parameter 'limit' has a tighter maximum."]


NEW = {"name": "page", "in": "query", "required": True, "schema": {"type": "integer"}}


@pytest.mark.parametrize(
    ("edit", "expected"),
    [
        (lambda one: one["paths"]["/things"].pop("get"), "The operation is gone."),
        (
            lambda one: listing(one)["parameters"].append(NEW),
            "The query parameter 'page' is new and required.",
        ),
        (parameter(required=True), "The query parameter 'limit' became required."),
        (
            parameter(schema={"type": "boolean", "maximum": 100}),
            "The query parameter 'limit' has another type.",
        ),
        (
            parameter(schema={"type": "integer", "maximum": 9}),
            "The query parameter 'limit' has a tighter maximum.",
        ),
        (lambda one: creation(one)["requestBody"].update(required=True), "The body became required."),
        (lambda one: creation(one).pop("requestBody"), "The body is gone."),
        (
            lambda one: creation(one)["requestBody"]["content"].pop("text/csv"),
            "A body of text/csv is no longer taken.",
        ),
        (
            lambda one: listing(one).update(requestBody={"required": True, "content": {}}),
            "A body is required now.",
        ),
        (
            lambda one: schema(one, "ThingCreate")["required"].append("size"),
            "The request's ThingCreate.size became required.",
        ),
        (
            lambda one: schema(one, "ThingCreate").update(
                required=["name", "new"],
                properties={**schema(one, "ThingCreate")["properties"], "new": {"type": "string"}},
            ),
            "The request's ThingCreate.new is new and required.",
        ),
        (
            lambda one: schema(one, "ThingCreate").update(
                properties={"name": {"type": "string", "maxLength": 50}}, additionalProperties=False
            ),
            "The request's ThingCreate.size is refused now.",
        ),
        (sent("size", {"type": "integer", "minimum": 1}), "The request's ThingCreate.size has another type."),
        (sent("note", {"type": "string"}), "The request's ThingCreate.note has another type."),
        (
            sent("size", {"type": "number", "minimum": 2}),
            "The request's ThingCreate.size has a tighter minimum.",
        ),
        (
            sent("size", {"type": "number", "exclusiveMinimum": 1}),
            "The request's ThingCreate.size has a tighter minimum.",
        ),
        (
            sent("name", {"type": "string", "maxLength": 40}),
            "The request's ThingCreate.name has a tighter maxLength.",
        ),
        (
            sent("name", {"type": "string", "maxLength": 50, "minLength": 1}),
            "The request's ThingCreate.name has a tighter minLength.",
        ),
        (
            sent("name", {"type": "string", "maxLength": 50, "pattern": "^a"}),
            "The request's ThingCreate.name has a pattern now.",
        ),
        (
            sent("name", {"type": "string", "maxLength": 50, "format": "email"}),
            "The request's ThingCreate.name has another format.",
        ),
        (
            sent("name", {"type": "string", "maxLength": 50, "enum": ["a"]}),
            "The request's ThingCreate.name became an enum.",
        ),
        (
            lambda one: schema(one, "Colour").update(enum=["red"]),
            'The request\'s Colour no longer takes ["blue"].',
        ),
        (lambda one: listing(one)["responses"].pop("200"), "The status 200 is gone."),
        (
            lambda one: creation(one)["responses"]["201"].update(content={"text/html": {}}),
            "An answer of application/json is gone.",
        ),
        (lambda one: schema(one, "Thing")["properties"].pop("name"), "The answer's Thing.name is gone."),
        (
            lambda one: schema(one, "Thing").update(required=["id", "colour"]),
            "The answer's Thing.name may be missing now.",
        ),
        (received("id", {"type": "string"}), "The answer's Thing.id has another type."),
        (received("id", {"type": "number"}), "The answer's Thing.id has another type."),
        (
            received("id", {"anyOf": [{"type": "integer"}, {"type": "null"}]}),
            "The answer's Thing.id has another type.",
        ),
        (received("id", {}), "The answer's Thing.id has another type."),
        (received("name", {"type": "string"}), "The answer's Thing.name has another format."),
        (
            received("labels", {"type": "object", "additionalProperties": {"type": "integer"}}),
            "The answer's Thing.labels.* has another type.",
        ),
        (lambda one: one.update(security=[{"Bearer": []}]), "It wants a key now."),
    ],
)
def test_what_breaks(edit: Edit, expected: str) -> None:
    changes = breaking(Document(BASE), edited(edit))
    assert expected in messages(changes)
    assert all(one.operations and one.before != one.after for one in changes)


@pytest.mark.parametrize(
    ("edit", "expected"),
    [
        (lambda one: listing(one)["parameters"].pop(0), "The query parameter 'limit' is gone."),
        (
            lambda one: schema(one, "ThingCreate")["properties"].pop("size"),
            "The request's ThingCreate.size is gone.",
        ),
        (lambda one: schema(one, "Thing")["properties"].pop("extra"), "The answer's Thing.extra is gone."),
        (
            lambda one: schema(one, "Colour")["enum"].append("green"),
            'The answer\'s Colour may be ["green"] now.',
        ),
        (
            lambda one: schema(one, "Colour").pop("enum"),
            "The answer's Colour is no enum any more.",
        ),
        (
            sent("form", {"anyOf": [{"type": "string", "maxLength": 5}, {"type": "integer"}]}),
            "The request's ThingCreate.form no longer takes one of its forms.",
        ),
    ],
)
def test_what_may_break(edit: Edit, expected: str) -> None:
    changes = breaking(Document(BASE), edited(edit))
    assert messages(changes, certain=False) == [expected]
    assert messages(changes) == []


def renamed(content: Node) -> None:
    item = content["paths"].pop("/things/{thing_id}")
    item["get"]["parameters"][0]["name"] = "id"
    content["paths"]["/things/{id}"] = item


@pytest.mark.parametrize(
    "edit",
    [
        renamed,
        lambda one: one["paths"].update({"/new": {"get": {}}}),
        lambda one: one["paths"]["/things/{thing_id}"].pop("delete"),
        lambda one: listing(one)["parameters"].append({**NEW, "required": False}),
        lambda one: listing(one)["parameters"][1].update(name="x-trace"),
        lambda one: listing(one)["responses"].pop("404"),
        lambda one: listing(one)["responses"].update({"202": {}}),
        parameter(schema={"type": "string"}),
        parameter(schema={"anyOf": [{"type": "integer", "maximum": 200}, {"type": "null"}]}),
        lambda one: creation(one)["requestBody"]["content"].update({"text/xml": {}}),
        sent("new", {"type": "string"}),
        sent("name", {"anyOf": [{"type": "string", "maxLength": 50}, {"type": "null"}]}),
        sent("name", {"type": "string"}),
        sent("name", {"type": "string", "maxLength": 50, "format": "password"}),
        sent("name", {"type": "string", "maxLength": 50, "pattern": ".*"}),
        sent("name", {"type": "string", "maxLength": 50, "minLength": 0}),
        sent("size", {"type": "number", "minimum": 0}),
        sent("size", {"type": "number", "exclusiveMinimum": 0.5}),
        sent("note", {"type": ["string", "null"]}),
        sent("note", {"type": "string", "nullable": True}),
        sent("parent", {"oneOf": [{"type": "null"}, {"$ref": "#/components/schemas/ThingCreate"}]}),
        sent("colour", {"allOf": [{"$ref": "#/components/schemas/Colour"}]}),
        lambda one: schema(one, "ThingCreate").update(required=[]),
        lambda one: schema(one, "ThingCreate")["properties"].update(id={"type": "integer", "readOnly": True}),
        received("new", {"type": "string"}),
        received("name", {"type": "string", "format": "uuid", "maxLength": 3}),
        lambda one: schema(one, "Thing")["required"].append("extra"),
        lambda one: one["components"]["securitySchemes"].pop("OAuth"),
        lambda one: one.update(security=[{"Bearer": []}, {}]),
    ],
)
def test_what_breaks_nothing(edit: Edit) -> None:
    assert breaking(Document(BASE), edited(edit)) == []


def secured(*requirements: Node) -> Document:
    return edited(lambda content: content.update(security=list(requirements)))


def test_keys_are_compared_by_what_a_request_carries() -> None:
    bearer: Node = {"Bearer": []}
    oauth: Node = {"OAuth": ["read"]}
    key: Node = {"Key": []}
    assert breaking(secured(bearer), secured(oauth)) == []
    assert breaking(secured(bearer), secured(bearer, key)) == []
    assert breaking(secured({**bearer, **key}), secured(key)) == []
    assert breaking(secured(key), secured()) == []
    for before, after in (((bearer, key), (bearer,)), ((bearer,), ({**bearer, **key},))):
        (change,) = breaking(secured(*before), secured(*after))
        assert change.message == "A key that opened it does not any more."


def test_a_change_of_a_component_is_told_once() -> None:
    (change,) = breaking(Document(BASE), edited(received("id", {"type": "string"})))
    assert (change.before, change.after) == ("integer", "string")
    names = [one.name for one in change.operations]
    assert names == ["GET /things", "POST /things", "GET /things/{thing_id}"]


def test_a_schema_within_itself_ends() -> None:
    loop = {"allOf": [{"$ref": "#/components/schemas/Thing"}]}
    document = edited(lambda content: content["components"]["schemas"].update(Thing=loop))
    assert breaking(document, document) == []
    union = {"anyOf": [{"$ref": "#/components/schemas/Thing"}, {"type": "string"}]}
    document = edited(lambda content: content["components"]["schemas"].update(Thing=union))
    assert breaking(document, document) == []


@pytest.mark.parametrize(
    ("pyproject", "baseline", "reason"),
    [
        ("", None, "no baseline document: name the last release's with --against"),
        ('against = "a.json"', None, r"the baseline a.json cannot be read \(No such file or directory\)"),
        ('against = "a.json"', "no", r"the baseline a.json is no JSON \(.*\)"),
        ('against = "a.json"', "[]", "the baseline a.json is no OpenAPI document"),
        ('against = "a.json"', '{"openapi": "3.1.0"}', "the baseline a.json is no OpenAPI document"),
        ("against = 1", None, ".* against is the name of a file: .*"),
        ("against = ", None, r"pyproject.toml cannot be read \(.*\)"),
    ],
)
def test_why_it_is_not_compared(tmp_path: Path, pyproject: str, baseline: str | None, reason: str) -> None:
    (tmp_path / "pyproject.toml").write_text(f"[tool.stanchion.check]\n{pyproject}")
    if baseline is not None:
        (tmp_path / "a.json").write_text(baseline)
    subject = Subject(source=Source(tmp_path), loaded=Loaded(document=BASE))
    with pytest.raises(NotChecked, match=f"^{reason}$"):
        list(no_breaking_change.check(subject))


def test_the_option_comes_before_the_project(tmp_path: Path) -> None:
    named = tmp_path / "named.json"
    named.write_text('{"openapi": "3.1.0", "paths": {"/gone": {"get": {"responses": {}}}}}')
    (tmp_path / "pyproject.toml").write_text('[tool.stanchion.check]\nagainst = "missing.json"')
    subject = Subject(source=Source(tmp_path), loaded=Loaded(document=BASE), against=named)
    (finding,) = no_breaking_change.check(subject)
    assert (finding.operation, finding.evidence) == ("GET /gone", "named.json: GET /gone\nnow: nothing")
    (finding,) = no_breaking_change.check(Subject(loaded=Loaded(document=BASE), against=named))
    assert finding.operation == "GET /gone"
    with pytest.raises(NotChecked, match="no baseline"):
        list(no_breaking_change.check(Subject(loaded=Loaded(document=BASE))))
