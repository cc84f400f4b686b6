"""The OpenAPI document, where FastAPI's says what cannot be, or cannot know."""

from typing import Any

from fastapi import FastAPI

from stanchion.app.examples import place_examples

_NULL = {"type": "null"}


def correct_document(app: FastAPI) -> None:
    """Take null out of the schemas of query and header parameters: `str | None` there means
    that it may be left out, and a client that reads null would send the text `null`. Headers of ours
    get an example of their own operation.
    """
    generate = app.openapi

    def openapi() -> dict[str, Any]:
        schema = generate()
        for item in schema.get("paths", {}).values():
            for operation in item.values():
                for parameter in operation.get("parameters", ()):
                    _drop_null(parameter.get("schema", {}))
        place_examples(schema)
        return schema

    app.openapi = openapi  # type: ignore[method-assign] # FastAPI documents this as the way to extend it


def _drop_null(schema: dict[str, Any]) -> None:
    if _NULL not in schema.get("anyOf", ()):
        return
    others = [one for one in schema.pop("anyOf") if one != _NULL]
    if len(others) == 1:
        schema.update(others[0])
    else:
        schema["anyOf"] = others
