"""
# O05: an example is not valid

## What it does
Validates the examples in the document against their schemas: those of parameters, bodies, responses and
schemas, as deep as they lie. What an example in a request may be converted from (`"35.4"` for a number) is
let through, and so is one whose name or words say that it is wrong on purpose.

## Why it is bad
`/docs` puts the example into the form: whoever presses Execute gets a 422. Whoever writes a client from it,
or lets a model do so, writes it for answers that do not come.

## Example
```python
class TodoCreate(BaseModel):
    title: str = Field(max_length=5, examples=["Buy milk"])
```

## Use instead
```python
class TodoCreate(BaseModel):
    title: str = Field(max_length=200, examples=["Buy milk"])
```
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from stanchion.gate.model import Finding, Kind, Line, NotChecked, Severity, Verdict, rule
from stanchion.gate.subject import Document, Operation, Subject

_LONGEST = 200
_ON_PURPOSE = re.compile(
    r"\b(bad|broken|error|fail(s|ed|ing)?|incorrect|invalid|malformed|refused|rejected|wrong)\b",
    re.IGNORECASE,
)
_MAPS = ("properties", "patternProperties", "dependentSchemas", "$defs", "definitions")
_LISTS = ("allOf", "anyOf", "oneOf", "prefixItems")
_ONES = ("items", "additionalProperties", "contains", "propertyNames", "if", "then", "else")


@dataclass(frozen=True)
class _Example:
    where: str
    """`requestBody, title`"""
    value: Any
    schema: Any
    request: bool
    """Sent to the app: it converts."""


@rule(
    "O05",
    "Examples are valid",
    severity=Severity.minor,
    kind=Kind.static,
    line=Line.documentation,
)
def valid_examples(subject: Subject) -> Iterator[Finding]:
    """Validate them, each at the first operation that shows it."""
    document = subject.document
    walk = _Walk(document)
    found = [(operation, one) for operation in document.operations for one in walk.operation(operation)]
    if not found:
        raise NotChecked("there are no examples in the OpenAPI document", applies=False)
    strict = _validator(str(document.content.get("openapi", "")))
    for operation, one in found:
        fault = _fault(strict, document, one)
        if fault:
            value = json.dumps(one.value, ensure_ascii=False)
            if len(value) > _LONGEST:
                value = f"{value[:_LONGEST]}..."
            yield Finding(
                message="An example is not valid by its own schema.",
                verdict=Verdict.proven,
                evidence=f"{one.where}: {value}: {fault}",
                advice="Correct the example, or the schema if it is the example that is right.",
                **subject.where(operation),
            )


@dataclass
class _Walk:
    """Goes through operations, and gives the examples; what is shared only the first time."""

    document: Document
    seen: set[str] = field(default_factory=set)

    def operation(self, operation: Operation) -> Iterator[_Example]:
        spec = operation.spec
        for one in operation.parameters:
            yield from self.described(one, f"parameter {one.get('name')}", request=True)
        body = self.once(spec.get("requestBody"))
        yield from self.content(body, "requestBody", request=True)
        for status, response in _map(spec.get("responses")).items():
            response = self.once(response)
            yield from self.content(response, f"response {status}", request=False)
            for name, header in _map(_map(response).get("headers")).items():
                yield from self.described(self.once(header), f"header {name}", request=False)

    def once(self, node: Any) -> Any:
        """Return what a reference points at, but nothing the second time."""
        if isinstance(node, dict) and "$ref" in node:
            if node["$ref"] in self.seen:
                return {}
            self.seen.add(node["$ref"])
        return self.document.resolve(node)

    def content(self, node: Any, where: str, *, request: bool) -> Iterator[_Example]:
        for media, described in _map(_map(node).get("content")).items():
            # Elsewhere an example may be a text in that form: XML for an object.
            if "json" in media or "form" in media:
                yield from self.described(described, where, request=request)

    def described(self, node: Any, where: str, *, request: bool) -> Iterator[_Example]:
        """Give the examples of a parameter, header or media type, and those of its schema."""
        node = _map(node)
        schema = node.get("schema")
        if schema is None:
            yield from self.content(node, where, request=request)
            return
        if "example" in node:
            yield _Example(where, node["example"], schema, request)
        for name, example in _map(node.get("examples")).items():
            example = _map(self.document.resolve(example))
            words = f"{name} {example.get('summary')} {example.get('description')}".replace("_", " ")
            if request and _ON_PURPOSE.search(words):
                continue
            for key in ("value", "dataValue"):
                if key in example:
                    yield _Example(f"{where}, example {name}", example[key], schema, request)
        yield from self.schema(schema, where, request=request)

    def schema(self, node: Any, where: str, *, request: bool) -> Iterator[_Example]:
        if not isinstance(node, dict):
            return
        if "example" in node:
            yield _Example(where, node["example"], node, request)
        if isinstance(node.get("examples"), list):
            for example in node["examples"]:
                yield _Example(where, example, node, request)
        reference = node.get("$ref")
        if isinstance(reference, str) and reference not in self.seen:
            self.seen.add(reference)
            name = reference.rpartition("/")[2]
            yield from self.schema(self.document.resolve({"$ref": reference}), name, request=request)
        for key in _MAPS:
            for name, inner in _map(node.get(key)).items():
                yield from self.schema(inner, f"{where}, {name}", request=request)
        for key in _LISTS:
            for inner in node[key] if isinstance(node.get(key), list) else ():
                yield from self.schema(inner, where, request=request)
        for key in _ONES:
            yield from self.schema(node.get(key), where, request=request)


def _map(node: Any) -> Mapping[str, Any]:
    return node if isinstance(node, dict) else {}


def _validator(version: str) -> Any:
    try:
        from openapi_schema_validator import OAS30Validator, OAS31Validator, OAS32Validator
    except ImportError as exc:
        raise NotChecked("openapi-schema-validator is not installed: install stanchion[check]") from exc
    kinds = {"3.0": OAS30Validator, "3.1": OAS31Validator, "3.2": OAS32Validator}
    if version[:3] not in kinds:
        raise NotChecked(f"there is no validator for OpenAPI {version!r}")
    return kinds[version[:3]]


def _fault(strict: Any, document: Document, one: _Example) -> str:
    """Return what the validator says of an example, or nothing where it is valid."""
    # `#/components/...` must lead somewhere from within the schema.
    root = {"components": document.content.get("components", {}), "allOf": [one.schema]}
    validator = strict(root)
    try:
        errors = list(validator.iter_errors(one.value))
        if errors and one.request:
            errors = list(validator.iter_errors(_converted(one.value, one.schema, document)))
    except Exception:  # a schema that is itself wrong: O01 says so
        return ""
    if not errors:
        return ""
    message = str(max(errors, key=lambda error: len(error.absolute_path)).message)
    return message if len(message) <= _LONGEST else f"...{message[-_LONGEST:]}"


def _converted(value: Any, schema: Any, document: Document, depth: int = 20) -> Any:
    """Return the value as Pydantic would convert it: texts to the numbers and truths that are wanted."""
    schema = _map(document.resolve(schema))
    if not depth:
        return value
    for inner in [*schema.get("allOf", ()), *schema.get("anyOf", ()), *schema.get("oneOf", ())]:
        value = _converted(value, inner, document, depth - 1)
    if isinstance(value, dict):
        kinds = _map(schema.get("properties"))
        return {
            key: _converted(item, kinds.get(key, schema.get("additionalProperties")), document, depth - 1)
            for key, item in value.items()
        }
    if isinstance(value, list):
        return [_converted(item, schema.get("items"), document, depth - 1) for item in value]
    if isinstance(value, str):
        return _of_text(value, schema.get("type"))
    return value


def _of_text(value: str, kind: Any) -> Any:
    text = value.strip().lower()
    try:
        if kind == "integer":
            return int(text)
        if kind == "number":
            return float(text)
    except ValueError:
        return value
    if kind == "boolean" and text in (
        "true",
        "false",
        "1",
        "0",
        "yes",
        "no",
        "on",
        "off",
        "t",
        "f",
        "y",
        "n",
    ):
        return text in ("true", "1", "yes", "on", "t", "y")
    return value
