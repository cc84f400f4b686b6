"""Responses: validated, filtered and encoded as FastAPI does it, whatever is declared and returned."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any

import pytest
from fastapi import APIRouter, BackgroundTasks, Depends, Response
from fastapi.responses import HTMLResponse, JSONResponse, PlainTextResponse, RedirectResponse
from pydantic import BaseModel, Field, computed_field, field_validator
from starlette.background import BackgroundTask
from tests.routing.twins import Asked, Told, Twins

pytestmark = pytest.mark.anyio


class Inner(BaseModel):
    word: str = "default"
    secret: str = "hidden"


class Model(BaseModel):
    number: int = Field(alias="theNumber")
    price: Decimal = Decimal("0.10")
    moment: datetime | None = None
    inner: Inner = Inner()

    @computed_field  # type: ignore[prop-decorator] # mypy knows no decorated property
    @property
    def double(self) -> int:
        return self.number * 2


class Picky(BaseModel):
    number: int

    @field_validator("number")
    @classmethod
    def small(cls, number: int) -> int:
        if number > 3:
            raise ValueError(f"{number} is too much")
        return number


@dataclass
class Row:
    number: int
    secret: str = "hidden"


class Narrow(BaseModel):
    number: int


def model() -> Model:
    return Model(theNumber=3, moment=datetime(2026, 1, 1, tzinfo=UTC))


RETURNED: dict[str, tuple[Any, Any, dict[str, Any]]] = {
    "a model": (Model, model, {}),
    "a dict for a model": (Model, lambda: {"theNumber": "7", "inner": {"word": "w"}}, {}),
    "no aliases": (Model, model, {"response_model_by_alias": False}),
    "what was set": (Model, model, {"response_model_exclude_unset": True}),
    "no defaults": (Model, model, {"response_model_exclude_defaults": True}),
    "no nulls": (Model, lambda: {"theNumber": 1}, {"response_model_exclude_none": True}),
    "some": (Model, model, {"response_model_include": {"number": True, "inner": {"word"}}}),
    "others": (Model, model, {"response_model_exclude": {"inner", "price"}}),
    "a row of which not all is shown": (Narrow, lambda: Row(3), {}),
    "many": (list[Narrow], lambda: [Row(1), Narrow(number=2), {"number": 3, "more": 4}], {}),
    "a union": (Narrow | Inner, lambda: Inner(), {}),
    "nothing": (None, lambda: None, {}),
    "nothing of a model": (Narrow | None, lambda: None, {}),
    "text": (str, lambda: 'é"', {}),
    "what is not declared": (None, lambda: {"a": [Row(1), model(), {2}, Decimal(1)]}, {}),
    "no model is wanted": (Narrow, lambda: {"more": 1}, {"response_model": None}),
    "a status": (Narrow, lambda: Row(1), {"status_code": 201}),
    "no content": (None, lambda: None, {"status_code": 204}),
    "not modified": (None, lambda: None, {"status_code": 304}),
    "another class": (Narrow, lambda: Row(1), {"response_class": JSONResponse}),
    "a page": (None, lambda: "<p>", {"response_class": HTMLResponse}),
    "plain text": (str, lambda: "é", {"response_class": PlainTextResponse}),
    "elsewhere": (str, lambda: "/x", {"response_class": RedirectResponse}),
    "elsewhere for good": (str, lambda: "/x", {"response_class": RedirectResponse, "status_code": 308}),
    "a response": (Narrow, lambda: JSONResponse({"a": 1}, 418, {"x-a": "b"}), {"response_model": None}),
    "a response of its own": (Response, lambda: Response(b"", 204), {}),
}


@pytest.mark.parametrize("asynchronous", [True, False])
@pytest.mark.parametrize("name", RETURNED)
async def test_what_is_returned(name: str, asynchronous: bool) -> None:
    annotation, returned, options = RETURNED[name]

    async def coroutine() -> Any:
        return returned()

    def function() -> Any:
        return returned()

    endpoint: Callable[..., Any] = coroutine if asynchronous else function
    endpoint.__annotations__["return"] = annotation

    def declare(router: APIRouter, told: Told) -> None:
        router.add_api_route("/", endpoint, **options)

    twins = Twins(declare)
    assert twins.reasons == [None]
    answered = await twins.ask(Asked())
    assert answered.raised is None
    assert answered.status < 500


@pytest.mark.parametrize("asynchronous", [True, False])
async def test_what_does_not_fit_is_told_of(asynchronous: bool) -> None:
    async def coroutine() -> Picky:
        return {"number": 4}  # type: ignore[return-value] # what is tested

    def function() -> list[Picky]:
        return [3, {"number": "x"}, Row(2)]  # type: ignore[list-item] # what is tested

    def declare(router: APIRouter, told: Told) -> None:
        router.add_api_route("/", coroutine if asynchronous else function)

    answered = await Twins(declare).same(Asked(), 422)
    assert b"too much" in answered.body or b"'loc': ('response', 1, 'number')" in answered.body


async def test_what_cannot_be_encoded_is_raised() -> None:
    def declare(router: APIRouter, told: Told) -> None:
        @router.get("/any")
        async def any_of() -> Any:
            return {"a": object()}

        @router.get("/nan")
        async def nan() -> dict[str, float]:
            return {"a": float("nan")}

        @router.get("/plain")
        async def plain():  # type: ignore[no-untyped-def] # no annotation, no response model
            return {"a": float("nan")}

        @router.get("/surrogate")
        def surrogate() -> str:
            return "\ud800"

    twins = Twins(declare)
    for path in ("/any", "/nan", "/plain", "/surrogate"):
        answered = await twins.ask(Asked(path=path))
        assert (answered.raised is None) == (path == "/nan")


@pytest.mark.parametrize("asynchronous", [True, False])
async def test_a_response_keeps_its_own_background_task(asynchronous: bool) -> None:
    def declare(router: APIRouter, told: Told) -> None:
        async def coroutine(tasks: BackgroundTasks, own: bool = False) -> Response:
            tasks.add_task(told.append, "tasks")
            return Response(b"x", background=BackgroundTask(told.append, "own") if own else None)

        def function(tasks: BackgroundTasks, own: bool = False) -> Response:
            tasks.add_task(told.append, "tasks")
            return Response(b"x", background=BackgroundTask(told.append, "own") if own else None)

        router.add_api_route("/", coroutine if asynchronous else function)

    twins = Twins(declare)
    assert (await twins.same(Asked())).told == ["response", "tasks"]
    assert (await twins.same(Asked(query="own=1"))).told == ["response", "own"]


@pytest.mark.parametrize("code", [None, 201, 204])
@pytest.mark.parametrize("chosen", [None, 0, 202, 204, 304])
async def test_a_status_that_a_dependency_chooses(code: int | None, chosen: int | None) -> None:
    def declare(router: APIRouter, told: Told) -> None:
        async def choose(response: Response) -> None:
            response.headers["x-seen"] = "yes"
            if chosen is not None:
                response.status_code = chosen

        @router.get("/", status_code=code, dependencies=[Depends(choose)])
        async def root() -> None: ...

    twins = Twins(declare)
    assert twins.reasons == [None]
    await twins.ask(Asked())


async def test_an_endpoint_that_is_an_object_or_wrapped() -> None:
    class Called:
        def __init__(self, word: str) -> None:
            self.word = word

        async def __call__(self, number: int) -> Narrow:
            return Narrow(number=number + len(self.word))

    class InThread:
        def __call__(self, number: Annotated[int, Depends(lambda: 4)]) -> int:
            return number

    def declare(router: APIRouter, told: Told) -> None:
        router.add_api_route("/called", Called("word"))
        router.add_api_route("/thread", InThread())
        router.add_api_route("/class", Row, response_model=Narrow)

    twins = Twins(declare)
    assert (await twins.same(Asked(path="/called", query="number=1"))).json() == {"number": 5}
    assert (await twins.same(Asked(path="/thread"))).json() == 4
    assert (await twins.same(Asked(path="/class", query="number=1"))).json() == {"number": 1}
