"""Every way a request can fail leaves as a problem."""

from collections.abc import AsyncIterator, MutableMapping
from typing import Annotated, Any, Literal

import httpx2
import pytest
from fastapi import APIRouter, Body, FastAPI, HTTPException, Query, WebSocket
from fastapi.responses import StreamingResponse
from fastapi.staticfiles import StaticFiles
from fastapi.testclient import TestClient
from pydantic import BaseModel, ConfigDict, Discriminator, Field, Json, Tag

from stanchion.errors import NotFoundError, UnavailableError, handle_errors
from stanchion.testing import client

pytestmark = pytest.mark.anyio


class Item(BaseModel):
    model_config = ConfigDict(extra="forbid")
    name: str
    size: int = 0
    kind: str = ""
    left: int = 0
    sizes: dict[str, int] = {}


@pytest.fixture
def app(tmp_path: Any) -> FastAPI:
    app = FastAPI()
    handle_errors(app)
    router = APIRouter(prefix="/items")

    @router.get("/{item_id}")
    async def read(item_id: int) -> None:
        raise NotFoundError("Item not found", "item_not_found", headers={"X-Left": "0"})

    @router.put("/{item_id}")
    @router.delete("/{item_id}")
    async def write(item_id: int) -> None: ...

    @router.post("")
    async def create(item: Item) -> None: ...

    @app.get("/http/{status}")
    async def http(status: int) -> None:
        detail: Any = {"left": [1]} if status == 409 else "In words"
        raise HTTPException(status, detail, headers={"X-Left": "0"})

    @app.get("/crash")
    async def crash() -> None:
        raise ZeroDivisionError("the secret of the server")

    @app.get("/late")
    async def late() -> StreamingResponse:
        async def body() -> AsyncIterator[bytes]:
            yield b"a"
            raise ZeroDivisionError

        return StreamingResponse(body())

    @app.get("/away")
    async def away() -> None:
        raise UnavailableError from OSError("no route to host")

    @app.websocket("/echo")
    async def echo(socket: WebSocket) -> None:
        await socket.accept()
        await socket.send_text(await socket.receive_text())
        await socket.close()

    app.include_router(router)
    app.mount("/static", StaticFiles(directory=tmp_path))
    return app


@pytest.fixture
async def caller(app: FastAPI) -> AsyncIterator[httpx2.AsyncClient]:
    async with client(app, raise_app_exceptions=False) as caller:
        yield caller


def shape(response: httpx2.Response) -> tuple[int, str, str]:
    """Assert what every problem has; return its status, detail and error."""
    content = response.json()
    assert response.headers["Content-Type"] == "application/problem+json"
    assert content["status"] == response.status_code
    assert content["request_id"] == response.headers["X-Request-ID"]
    assert content["instance"] == response.url.path
    return response.status_code, content["detail"], content["error"]


async def test_an_unknown_path(caller: httpx2.AsyncClient) -> None:
    assert shape(await caller.get("/nope")) == (404, "Not Found", "not_found")


async def test_a_domain_error(caller: httpx2.AsyncClient) -> None:
    response = await caller.get("/items/7")
    assert shape(response) == (404, "Item not found", "item_not_found")
    assert response.headers["X-Left"] == "0"


async def test_an_http_exception(caller: httpx2.AsyncClient) -> None:
    response = await caller.get("/http/403")
    assert shape(response) == (403, "In words", "forbidden")
    assert response.headers["X-Left"] == "0"


async def test_so_many_errors_are_not_all_told(caller: httpx2.AsyncClient) -> None:
    response = await caller.post("/items", json={"x" * 500 + str(number): 1 for number in range(1000)})
    assert response.status_code == 422
    assert len(response.json()["errors"]) == 50
    assert len(response.content) < 20_000
    assert response.json()["detail"].endswith(" and 998 more.")


async def test_a_detail_that_is_no_text_is_kept_beside(caller: httpx2.AsyncClient) -> None:
    response = await caller.get("/http/409")
    assert shape(response) == (409, "Conflict", "conflict")
    assert response.json()["context"] == {"left": [1]}


@pytest.mark.parametrize("status", [204, 304])
async def test_a_status_without_a_body_has_none(caller: httpx2.AsyncClient, status: int) -> None:
    response = await caller.get(f"/http/{status}")
    assert (response.status_code, response.content, response.headers["X-Left"]) == (status, b"", "0")


@pytest.mark.parametrize(
    ("path", "allowed"), [("/items/7", "GET, PUT, DELETE"), ("/items", "POST"), ("/static/a", "GET, HEAD")]
)
async def test_a_405_names_every_method(caller: httpx2.AsyncClient, path: str, allowed: str) -> None:
    for method in ("PATCH", "PURGE"):
        response = await caller.request(method, path)
        assert shape(response) == (405, "Method Not Allowed", "method_not_allowed")
        assert response.headers["Allow"] == allowed


async def test_a_422_names_each_place_and_never_the_value(caller: httpx2.AsyncClient) -> None:
    body = {"name": ["hunter2"], "size": "hunter2", "kind": 2, "left": "hunter2"}
    response = await caller.post("/items", json=body)
    assert shape(response) == (
        422,
        "The request is not valid: body.name, body.size, body.kind and 1 more.",
        "validation_failed",
    )
    assert [error["loc"] for error in response.json()["errors"]] == [["body", name] for name in body]
    assert all(set(error) == {"loc", "msg", "type"} for error in response.json()["errors"])
    assert "hunter2" not in response.text


@pytest.mark.parametrize(
    "body", [rb'{"name": "a", "\u0000": 1}', rb'{"name": "a", "sizes": {"\ud800": "b"}}', rb'{"\ud800": 1}']
)
async def test_names_that_cannot_be_text(caller: httpx2.AsyncClient, body: bytes) -> None:
    response = await caller.post("/items", content=body, headers={"Content-Type": "application/json"})
    assert shape(response)[0] == 422


@pytest.mark.parametrize(
    ("content", "status"),
    [(b"{", 422), (b'{"name": NaN}', 422), (b'"\xff"', 400), (b"[" * 10**5, 400)],
)
async def test_bodies_that_cannot_be_read(caller: httpx2.AsyncClient, content: bytes, status: int) -> None:
    response = await caller.post("/items", content=content, headers={"Content-Type": "application/json"})
    assert shape(response)[0] == status


async def test_a_body_that_is_no_json_is_told_by_the_character(app: FastAPI) -> None:
    @app.post("/held")
    async def held(values: list[Json[int]]) -> None: ...

    json = {"Content-Type": "application/json"}
    async with client(app) as caller:
        broken = await caller.post("/items", content=b'{"name": x}', headers=json)
        field = await caller.post("/held", content=b'["1", "x"]', headers=json)
    said = "The request is not valid: the JSON of the body is broken at character 9."
    assert shape(broken) == (422, said, "validation_failed")
    (error,) = broken.json()["errors"]
    assert (error["loc"], error["type"]) == (["body", 9], "json_invalid")
    # An item whose text is to be JSON is a place like any other.
    assert shape(field) == (422, "The request is not valid: body.1.", "validation_failed")
    assert field.json()["errors"][0]["type"] == "json_invalid"


class Cat(BaseModel):
    kind: Literal["cat"]


class Dog(BaseModel):
    kind: Literal["dog", "hound"]


def name_of(value: Any) -> str:
    return str(value.get("kind"))


@pytest.mark.parametrize(
    ("sent", "loc", "msg", "type_"),
    [
        ({}, [0, "kind"], "Field required: it tells which of several forms the rest has", "not_found"),
        ({"kind": "hunter2"}, [0, "kind"], "Input should be 'cat', 'dog' or 'hound'", "invalid"),
        ({"kind": None}, [0, "kind"], "Input should be 'cat', 'dog' or 'hound'", "invalid"),
    ],
)
async def test_a_form_that_is_not_told_is_a_fault_of_its_field(
    app: FastAPI, sent: dict[str, Any], loc: list[str | int], msg: str, type_: str
) -> None:
    @app.post("/pets")
    async def keep(pets: list[Annotated[Cat | Dog, Field(discriminator="kind")]]) -> None: ...

    async with client(app) as caller:
        refused = await caller.post("/pets", json=[sent])
    assert shape(refused) == (422, "The request is not valid: body.0.kind.", "validation_failed")
    assert refused.json()["errors"] == [{"loc": ["body", *loc], "msg": msg, "type": f"union_tag_{type_}"}]


async def test_a_form_that_a_function_tells_has_no_field(app: FastAPI) -> None:
    @app.post("/pets")
    async def keep(
        pet: Annotated[Annotated[Cat, Tag("cat")] | Annotated[Dog, Tag("dog")], Discriminator(name_of)],
    ) -> None: ...

    async with client(app) as caller:
        refused = await caller.post("/pets", json={"kind": "cow"})
    (error,) = refused.json()["errors"]
    assert (error["loc"], error["type"]) == (["body"], "union_tag_invalid")


async def test_values_json_has_not_stand_in_no_problem(app: FastAPI) -> None:
    @app.post("/any")
    async def anything(
        value: Annotated[float, Body(allow_inf_nan=False, embed=True)], q: Annotated[int, Query()]
    ) -> None: ...

    async with client(app) as caller:
        response = await caller.post(
            "/any?q=nan", content=b'{"value": NaN}', headers={"Content-Type": "application/json"}
        )
    assert shape(response)[:2] == (422, "The request is not valid: query.q, body.value.")
    assert "NaN" not in response.text


async def test_a_crash_says_nothing_and_is_logged_once(
    caller: httpx2.AsyncClient, logged: list[MutableMapping[str, Any]]
) -> None:
    response = await caller.get("/crash")
    assert shape(response)[::2] == (500, "internal_server_error")
    assert "secret" not in response.text
    assert "Traceback" not in response.text
    (event,) = logged
    assert (event["event"], event["log_level"], event["path"]) == ("failed", "error", "/crash")
    assert isinstance(event["exc_info"], ZeroDivisionError)


@pytest.mark.usefixtures("logged")
async def test_a_crash_goes_on_to_whoever_reports_it(app: FastAPI) -> None:
    async with client(app) as caller:
        with pytest.raises(ZeroDivisionError):
            await caller.get("/crash")


async def test_a_crash_after_the_start_is_logged_and_ends_the_reply(
    app: FastAPI, logged: list[MutableMapping[str, Any]]
) -> None:
    async with client(app) as caller:
        with pytest.raises(ZeroDivisionError):
            await caller.get("/late")
    assert [event["event"] for event in logged] == ["failed"]


async def test_what_is_not_the_clients_fault_is_logged_with_its_cause(
    caller: httpx2.AsyncClient, logged: list[MutableMapping[str, Any]]
) -> None:
    response = await caller.get("/away")
    assert shape(response)[::2] == (503, "unavailable")
    assert response.headers["Retry-After"] == "1"
    assert "route" not in response.text
    (event,) = logged
    assert (event["event"], event["reason"], event["cause"]) == (
        "failed",
        "unavailable",
        "OSError: no route to host",
    )


def test_a_websocket_is_left_alone(app: FastAPI) -> None:
    with TestClient(app) as caller, caller.websocket_connect("/echo") as socket:
        socket.send_text("hello")
        assert socket.receive_text() == "hello"
