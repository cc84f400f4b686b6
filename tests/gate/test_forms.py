"""Bodies that are neither JSON nor a form are sent as the document shows them."""

from typing import Any

import pytest

from stanchion.gate.forms import example_of, form_of, is_json
from stanchion.gate.journey import json_schema
from stanchion.gate.subject import Document, Operation

LINES = "application/x-ndjson"


@pytest.mark.parametrize(
    ("media_type", "expected"),
    [
        ("application/json", True),
        ("Application/JSON; charset=utf-8", True),
        ("application/merge-patch+json", True),
        (LINES, False),
        ("application/json-seq", False),
        ("text/csv", False),
    ],
)
def test_what_is_json(media_type: str, expected: bool) -> None:
    assert is_json(media_type) is expected


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ({LINES: {"schema": {"type": "string"}, "example": "{}\n"}}, (b"{}\n", LINES)),
        (
            {LINES: {"schema": {}}, "text/csv": {"examples": {"one": {"value": "a\n1\n"}}}},
            (b"a\n1\n", "text/csv"),
        ),
        ({LINES: {"schema": {"type": "string"}}}, None),
        ({"application/json": {"example": "{}"}}, None),
        ({"multipart/form-data": {"example": "a=1"}}, None),
        ({}, None),
    ],
)
def test_an_example_is_sent(content: dict[str, Any], expected: object) -> None:
    document, operation = (
        Document({}),
        Operation("POST", "/things/import", {"requestBody": {"content": content}}),
    )
    assert example_of(document, operation) == expected
    if expected:
        assert form_of(document, operation) is None
        assert json_schema(document, operation) is None
