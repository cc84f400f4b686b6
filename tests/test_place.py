"""The place of a route: where FastAPI keeps it, in the version that is installed."""

from typing import Any

import fastapi
import pytest
from fastapi import APIRouter, Depends, FastAPI, Request

from stanchion.place import PROVEN_ON, place
from stanchion.testing import client

pytestmark = pytest.mark.anyio


def test_it_is_proven_on_this_fastapi() -> None:
    assert fastapi.__version__.rpartition(".")[0] in PROVEN_ON


def added() -> None: ...


def calls(of: Any) -> list[Any]:
    return [one.call for one in of.dependant.dependencies]


async def test_each_inclusion_is_a_place_with_what_it_adds() -> None:
    places: list[Any] = []
    router, app = APIRouter(), FastAPI()

    @router.get("/things")
    async def read(request: Request) -> None:
        places.append(place(request.scope))

    app.include_router(router, prefix="/one", dependencies=[Depends(added)])
    app.include_router(router, prefix="/other")
    async with client(app) as caller:
        for path in ("/one/things", "/other/things", "/one/things"):
            assert (await caller.get(path)).status_code == 200
    one, other, again = places
    assert (one.path_format, other.path_format) == ("/one/things", "/other/things")
    assert (calls(one), calls(other)) == ([added], [])
    assert again is one  # what is kept there is found again


async def test_below_a_mount_it_is_the_route_and_not_the_mount() -> None:
    places: list[Any] = []
    router, app, below = APIRouter(), FastAPI(), FastAPI()

    @below.get("/things", dependencies=[Depends(added)])
    async def read(request: Request) -> None:
        places.append(place(request.scope))

    router.mount("/below", below)
    app.include_router(router)
    async with client(app) as caller:
        assert (await caller.get("/below/things")).status_code == 200
    assert [(one.path_format, calls(one)) for one in places] == [("/things", [added])]


def test_without_a_route_there_is_none() -> None:
    assert place({"type": "http"}) is None
