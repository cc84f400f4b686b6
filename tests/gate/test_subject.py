"""What a rule may ask: operations with their parameters and security, and a reason for what cannot be had."""

from pathlib import Path
from typing import Any, cast

import pytest

from stanchion.gate.model import NotChecked
from stanchion.gate.running import Running
from stanchion.gate.source import Source
from stanchion.gate.subject import Document, Loaded, Operation, Route, Subject

PAGE = {"name": "page", "in": "query", "schema": {"type": "integer"}}
THING = {"name": "thing_id", "in": "path", "required": True}
CONTENT: dict[str, Any] = {
    "openapi": "3.1.0",
    "security": [{"key": []}],
    "paths": {
        "/things/{thing_id}": {
            "summary": "no operation",
            "parameters": [{"$ref": "#/components/parameters/Thing"}, {"name": "page", "in": "header"}, PAGE],
            "get": {"parameters": [{**PAGE, "required": True}], "security": []},
            "delete": {},
        },
        "/": {"post": {"security": [{"bearer": []}, {}]}},
    },
    "components": {
        "parameters": {"Thing": THING},
        "schemas": {
            "A": {"$ref": "#/components/schemas/a~1b~0c"},
            "a/b~c": {"type": "string"},
            "Loop": {"$ref": "#/components/schemas/Loop"},
        },
    },
}
DOCUMENT = Document(CONTENT)
GET, DELETE, POST = DOCUMENT.operations


def test_operations_have_their_parameters_merged() -> None:
    names = ["GET /things/{thing_id}", "DELETE /things/{thing_id}", "POST /"]
    assert [operation.name for operation in DOCUMENT.operations] == names
    assert GET.parameters == [{**PAGE, "required": True}, THING, {"name": "page", "in": "header"}]
    assert DELETE.parameters == [THING, {"name": "page", "in": "header"}, PAGE]
    assert POST.parameters == []
    assert Operation("GET", "/", {"parameters": [THING, "nonsense"]}).parameters == [THING]
    assert Document({}).operations == ()


def test_security_is_the_operations_own_or_the_documents() -> None:
    assert DOCUMENT.security(GET) == []
    assert DOCUMENT.security(DELETE) == [{"key": []}]
    assert DOCUMENT.security(POST) == [{"bearer": []}, {}]
    assert Document({}).security(DELETE) == []


@pytest.mark.parametrize(
    ("node", "expected"),
    [
        ({"type": "integer"}, {"type": "integer"}),
        ("text", "text"),
        ({"$ref": "#/components/schemas/A"}, {"type": "string"}),
        ({"$ref": "#/components/parameters/Thing"}, THING),
        ({"$ref": "#/components/schemas/Missing"}, {}),
        ({"$ref": "#/openapi/deeper"}, {}),
        ({"$ref": "other.json#/A"}, {}),
        ({"$ref": "#/components/schemas/Loop"}, {"$ref": "#/components/schemas/Loop"}),
    ],
)
def test_resolve(node: Any, expected: Any) -> None:
    assert DOCUMENT.resolve(node) == expected


def route(method: str, path: str) -> Route:
    return Route(method=method, path=path, name="f", file="main.py", line=7, is_async=True)


def test_where() -> None:
    subject = Subject(loaded=Loaded(routes=(route("POST", "/things/{thing_id}"), route("POST", "/"))))
    assert subject.where(POST) == {"operation": "POST /", "file": "main.py", "line": 7}
    assert subject.where(GET) == {"operation": "GET /things/{thing_id}"}
    assert subject.route(GET) is None
    found = subject.route(POST)
    assert found is not None
    assert (found.operation, found.path) == ("POST /", "/")


def test_what_cannot_be_had_has_a_reason() -> None:
    nothing = Subject()
    with pytest.raises(NotChecked, match=r"^there is no source: name the project with --path$") as caught:
        assert nothing.code
    assert caught.value.applies
    with pytest.raises(NotChecked, match="there is no source"):
        list(nothing.calls())
    with pytest.raises(
        NotChecked, match=r"^the app was not imported: name the project's folder, not its URL$"
    ):
        assert nothing.app
    with pytest.raises(NotChecked, match=r"^the app was not started$"):
        assert nothing.running
    with pytest.raises(NotChecked, match=r"^the app cannot be imported: KeyError: 'A' \(main.py, line 3\)$"):
        assert Subject(loaded=Loaded(error="KeyError: 'A' (main.py, line 3)")).document
    with pytest.raises(NotChecked, match=r"^the app makes no OpenAPI document$"):
        assert Subject(loaded=Loaded()).document
    with pytest.raises(NotChecked, match=r"^TypeError: no$"):
        assert Subject(loaded=Loaded(document_error="TypeError: no")).document


def test_the_document_is_made_once() -> None:
    subject = Subject(loaded=Loaded(document=CONTENT))
    assert subject.document is subject.document
    assert len(subject.document.operations) == 3


def test_an_app_that_does_not_start_is_started_once() -> None:
    started = []

    def start(document: Document) -> Running:
        started.append(document)
        raise NotChecked("the app does not start: no")

    subject = Subject(loaded=Loaded(document=CONTENT), start=start)
    for _ in range(3):
        with pytest.raises(NotChecked, match=r"^the app does not start: no$"):
            assert subject.running
    assert started == [subject.document]


def test_an_app_that_starts_is_started_once() -> None:
    running, started = cast(Running, object()), []

    def start(document: Document) -> Running:
        started.append(document)
        return running

    subject = Subject(loaded=Loaded(document=CONTENT), start=start)
    assert subject.running is subject.running is running
    assert len(started) == 1


def test_calls_are_those_of_the_served_code(tmp_path: Path) -> None:
    (tmp_path / "main.py").write_text("a()\nb(c())\n")
    (tmp_path / "test_main.py").write_text("d()\n")
    subject = Subject(source=Source(tmp_path))
    assert [(module.path, call.lineno) for module, call in subject.calls()] == [
        ("main.py", n) for n in (1, 2, 2)
    ]
    assert subject.files is subject.source
