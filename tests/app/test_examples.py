"""The examples of headers in the document: each of its own operation, or none."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Body, Depends, FastAPI, Path, Query
from pydantic import BaseModel, Field

from stanchion.app.document import correct_document
from stanchion.headers import headers
from stanchion.pagination import Page


class Shown(BaseModel):
    id: int = Field(examples=[9])


class Named(BaseModel):
    name: str


def examples(router: APIRouter, method: str, path: str) -> dict[str, Any]:
    """The examples of an operation's headers, by name, in the document of an app that has the router."""
    app = FastAPI()
    correct_document(app)
    app.include_router(router, prefix="/v1")
    app.openapi()
    found = app.openapi()["paths"][path][method]["responses"]  # a second time: it changes nothing
    (documented,) = [response["headers"] for response in found.values() if "headers" in response]
    return {name: header.get("example") for name, header in documented.items()}


def test_a_location_is_the_path_that_reads_what_is_shown() -> None:
    router = APIRouter(prefix="/things")

    @router.post("", status_code=201, responses={201: headers("Location", "ETag")})
    def create() -> Shown:
        raise NotImplementedError

    @router.get("/{thing_id}")
    def read(thing_id: Annotated[int, Path(examples=[7])]) -> Shown:
        raise NotImplementedError

    assert examples(router, "post", "/v1/things") == {"Location": "/v1/things/9", "ETag": '"1"'}


def test_a_location_below_another_thing() -> None:
    router = APIRouter(prefix="/shops/{shop}/things")

    @router.post("", status_code=201, responses={201: headers("Location")})
    def create(shop: str) -> Named:
        raise NotImplementedError

    @router.get("/{name}")
    def read(
        shop: Annotated[str, Path(examples=["a b"])], name: Annotated[str, Path(examples=["ü"])]
    ) -> Named:
        raise NotImplementedError

    assert examples(router, "post", "/v1/shops/{shop}/things") == {
        "Location": "/v1/shops/a%20b/things/%C3%BC"
    }


def test_no_location_where_none_is_known() -> None:
    router = APIRouter(prefix="/things")

    @router.post("", status_code=201, responses={201: headers("Location")})
    def create() -> Named:
        raise NotImplementedError

    assert examples(router, "post", "/v1/things") == {"Location": None}

    @router.get("/{key}")
    def read(key: UUID) -> Named:
        raise NotImplementedError

    assert examples(router, "post", "/v1/things") == {"Location": None}


def test_a_location_by_the_examples_of_its_parameter() -> None:
    router = APIRouter(prefix="/things")
    named: Any = {"short": {"value": "a"}, "long": {"value": "aa"}}

    @router.post("", status_code=201, responses={201: headers("Location")})
    def create() -> Named:
        raise NotImplementedError

    @router.delete("/{key}")
    def delete(key: Annotated[str, Path(examples=["no place of it"])]) -> None:
        raise NotImplementedError

    @router.get("/{name}")
    def read(name: Annotated[str, Path(openapi_examples=named)]) -> Named:
        raise NotImplementedError

    assert examples(router, "post", "/v1/things") == {"Location": "/v1/things/a"}


def test_what_was_said_by_hand_stays() -> None:
    router = APIRouter(prefix="/things")
    own = {"headers": {"Link": {"description": "My own.", "schema": {"type": "string"}}}}

    @router.post("", status_code=201, responses={201: headers(Location="/me", ETag='"a"')})
    def create() -> Shown:
        raise NotImplementedError

    @router.get("", responses={200: own})
    def list_(page: Annotated[Page, Query()]) -> list[Shown]:
        raise NotImplementedError

    @router.get("/{thing_id}", responses={200: headers("ETag")})
    def read(thing_id: Annotated[int, Path(examples=[7])]) -> Shown:
        raise NotImplementedError

    assert examples(router, "post", "/v1/things") == {"Location": "/me", "ETag": '"a"'}
    assert examples(router, "get", "/v1/things") == {"Link": None}
    assert examples(router, "get", "/v1/things/{thing_id}") == {"ETag": '"3"'}


def test_links_are_of_the_pages_that_there_are() -> None:
    def cursor(limit: int = 20, cursor: str = "") -> None:
        raise NotImplementedError

    router = APIRouter()
    linked: dict[int | str, dict[str, Any]] = {200: headers("Link", "X-Total-Count")}

    @router.get("/offsets", responses=linked)
    def offsets(page: Annotated[Page, Query()]) -> list[Shown]:
        raise NotImplementedError

    @router.get("/cursors", dependencies=[Depends(cursor)], responses=linked)
    def cursors() -> list[Shown]:
        raise NotImplementedError

    @router.get("/limits", responses=linked)
    def limits(limit: int = 10) -> list[Shown]:
        raise NotImplementedError

    @router.get("/all", responses=linked)
    def all_() -> list[Shown]:
        raise NotImplementedError

    @router.post("/search", responses=linked)
    def search(words: Annotated[str, Body()]) -> list[Shown]:
        raise NotImplementedError

    def link(path: str, method: str = "get") -> Any:
        return examples(router, method, path)["Link"]

    assert link("/v1/offsets") == (
        '</v1/offsets?limit=50&offset=0>; rel="first", </v1/offsets?limit=50&offset=50>; rel="next"'
    )
    assert link("/v1/cursors").startswith(
        '</v1/cursors?limit=20>; rel="first", </v1/cursors?limit=20&cursor='
    )
    assert link("/v1/limits") is link("/v1/all") is link("/v1/search", "post") is None


def test_a_parameter_that_is_a_reference_is_left_alone() -> None:
    router = APIRouter()
    extra = {"parameters": [{"$ref": "#/components/parameters/Tenant"}]}

    @router.get("/offsets", responses={200: headers("Link")}, openapi_extra=extra)
    def offsets(page: Annotated[Page, Query()]) -> list[Shown]:
        raise NotImplementedError

    assert examples(router, "get", "/v1/offsets")["Link"].startswith("</v1/offsets?limit=50&offset=0>")
