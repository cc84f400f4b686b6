"""The errors in the OpenAPI document."""

from typing import Annotated, Any

import pytest
from fastapi import Depends, FastAPI, Security
from fastapi.responses import PlainTextResponse
from fastapi.security import APIKeyHeader
from pydantic import BaseModel

from stanchion.errors import (
    DomainError,
    InvalidError,
    NotFoundError,
    UnavailableError,
    handle_errors,
    responses,
)

REF = {"$ref": "#/components/schemas/ErrorResponse"}


class Item(BaseModel):
    name: str


class OwnError(BaseModel):
    words: str


class TooDearError(DomainError):
    """An error of the user's, which wants more than a message."""

    def __init__(self, price: int) -> None:
        super().__init__(f"{price} is too much", "too_dear")


@pytest.fixture
def document() -> dict[str, Any]:
    app = FastAPI()
    handle_errors(app, body_statuses=(400, 413))
    key = APIKeyHeader(name="X-API-Key")

    @app.post("/items")
    async def create(item: Item) -> None: ...

    @app.get("/dear", responses=responses(TooDearError(7), DomainError))
    async def dear() -> None: ...

    @app.get(
        "/items/{item_id}", responses=responses(NotFoundError("No item", "item_not_found"), UnavailableError)
    )
    async def read(item_id: int, key: Annotated[str, Security(key)]) -> None: ...

    @app.get("/own", responses={404: {"model": OwnError}, 429: {"description": "Often"}, 418: {}, "4XX": {}})
    async def own() -> None: ...

    @app.get("/text", response_class=PlainTextResponse, dependencies=[Depends(lambda: None)])
    async def text() -> str:
        return ""

    assert app.openapi() is app.openapi()
    return app.openapi()


def content(document: dict[str, Any], method: str, path: str, status: int) -> dict[str, Any]:
    response: dict[str, Any] = document["paths"][path][method]["responses"][str(status)]["content"]
    return response


def test_only_our_schemas_of_errors(document: dict[str, Any]) -> None:
    assert set(document["components"]["schemas"]) == {"ErrorDetail", "ErrorResponse", "Item", "OwnError"}


def test_an_operation_with_a_body(document: dict[str, Any]) -> None:
    operation = document["paths"]["/items"]["post"]["responses"]
    assert list(operation) == ["200", "400", "413", "422"]
    for status in (400, 413, 422):
        media = content(document, "post", "/items", status)
        assert media.keys() == {"application/problem+json"}
        assert media["application/problem+json"]["schema"] == REF
    assert operation["422"]["description"] == "Unprocessable Content"


def test_errors_of_one_status_are_examples_of_it(document: dict[str, Any]) -> None:
    examples = content(document, "get", "/dear", 400)["application/problem+json"]["examples"]
    assert {name: example["value"]["detail"] for name, example in examples.items()} == {
        "too_dear": "7 is too much",
        "bad_request": "The request cannot be carried out.",
    }


def test_an_operation_with_a_key(document: dict[str, Any]) -> None:
    operation = document["paths"]["/items/{item_id}"]["get"]["responses"]
    assert list(operation) == ["200", "401", "403", "404", "422", "503"]
    assert operation["503"]["headers"]["Retry-After"]["schema"] == {"type": "integer"}
    example = content(document, "get", "/items/{item_id}", 401)["application/problem+json"]["example"]
    assert (example["status"], example["error"]) == (401, "unauthorized")


def test_the_users_own_stay(document: dict[str, Any]) -> None:
    assert content(document, "get", "/own", 404) == {
        "application/json": {"schema": {"$ref": "#/components/schemas/OwnError"}}
    }
    often = document["paths"]["/own"]["get"]["responses"]["429"]
    assert often["description"] == "Often"
    assert often["content"]["application/problem+json"]["example"]["error"] == "too_many_requests"
    teapot = content(document, "get", "/own", 418)["application/problem+json"]["example"]
    assert (teapot["title"], teapot["error"]) == ("I'm a Teapot", "i_m_a_teapot")
    assert "content" not in document["paths"]["/own"]["get"]["responses"]["4XX"]


def test_examples_are_of_their_own_operation(document: dict[str, Any]) -> None:
    def example(method: str, path: str, status: int) -> dict[str, Any]:
        media = content(document, method, path, status)["application/problem+json"]
        shown: dict[str, Any] = media.get("example") or next(iter(media["examples"].values()))["value"]
        return shown

    assert example("get", "/items/{item_id}", 404)["instance"] == "/items/7"
    assert example("get", "/items/{item_id}", 422)["errors"][0]["loc"] == ["path", "item_id"]
    assert example("post", "/items", 400)["instance"] == "/items"
    assert example("post", "/items", 422)["errors"][0]["loc"] == ["body", "name"]


def test_an_operation_that_cannot_fail(document: dict[str, Any]) -> None:
    assert list(document["paths"]["/text"]["get"]["responses"]) == ["200"]


def test_an_invalid_error_shows_its_place() -> None:
    documented = responses(InvalidError("No such user", loc=("header", "X-User-ID")))
    value = documented[422]["content"]["application/problem+json"]["examples"]["validation_failed"]["value"]
    assert value["errors"] == [{"loc": ["header", "X-User-ID"], "msg": "No such user", "type": "value_error"}]


def test_an_app_without_a_route() -> None:
    app = FastAPI()
    handle_errors(app)
    assert set(app.openapi()["components"]["schemas"]) == {"ErrorDetail", "ErrorResponse"}
