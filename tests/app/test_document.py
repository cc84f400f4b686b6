"""The document's parameters: what may be left out is not therefore null."""

from typing import Annotated, Any

from fastapi import FastAPI, Header, Query

from stanchion.app.document import correct_document


def parameters() -> dict[str, dict[str, Any]]:
    app = FastAPI()
    correct_document(app)

    @app.get("/things")
    def things(
        one: str | None = None,
        either: Annotated[int | str | None, Query()] = None,
        some: Annotated[list[int] | None, Query()] = None,
        plain: int = 1,
        header: Annotated[str | None, Header(alias="X-One", json_schema_extra={"pattern": "^a$"})] = None,
    ) -> None: ...

    app.openapi()
    found = app.openapi()["paths"]["/things"]["get"]["parameters"]  # a second time: it changes nothing
    return {parameter["name"]: parameter["schema"] for parameter in found}


def test_a_parameter_with_content_is_left_alone() -> None:
    app = FastAPI()
    correct_document(app)
    given = {"name": "filter", "in": "query", "content": {"application/json": {"schema": {}}}}

    @app.get("/things", openapi_extra={"parameters": [given]})
    def things() -> None: ...

    assert app.openapi()["paths"]["/things"]["get"]["parameters"] == [given]


def test_null_is_no_parameter() -> None:
    schemas = parameters()
    assert schemas["one"] == {"type": "string", "title": "One"}
    assert schemas["either"] == {"anyOf": [{"type": "integer"}, {"type": "string"}], "title": "Either"}
    assert schemas["some"] == {"type": "array", "items": {"type": "integer"}, "title": "Some"}
    assert schemas["plain"] == {"type": "integer", "default": 1, "title": "Plain"}
    assert schemas["X-One"] == {"type": "string", "pattern": "^a$", "title": "X-One"}
