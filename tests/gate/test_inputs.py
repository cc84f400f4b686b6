"""Inputs without a schema, as others write them: what is proven, what is only suspected, what is cleared."""

from pathlib import Path

import pytest

from stanchion.gate import Project, all_rules, check
from stanchion.gate.rules.code.unvalidated_input import _is_shapeless

APP = """
import hmac
import json
from typing import Annotated, Any

from fastapi import Body, Depends, FastAPI, Header, HTTPException, Request
from pydantic import BaseModel

app = FastAPI()


class Thing(BaseModel):
    name: str


async def parsed(request: Request) -> Any:
    return await request.json()


@app.post("/webhook")
async def webhook(request: Request) -> str:
    payload = await request.body()
    if not hmac.compare_digest(request.headers.get("X-Signature", ""), "signed"):
        raise HTTPException(400, "Bad signature")
    return str(json.loads(payload))


@app.post("/upload")
async def upload(request: Request) -> int:
    return len(await request.body())


@app.post("/rpc")
async def rpc(request: Request) -> dict[str, Any]:
    try:
        return {"result": (await request.json())["method"]}
    except Exception:
        return {"error": {"code": -32600}}


@app.post("/documents")
async def store(document: dict[str, Any]) -> int:
    return len(document)


@app.post("/scores")
async def typed(scores: dict[str, int]) -> int:
    return len(scores)


@app.post("/embedded")
async def embedded(thing: Thing, extra: dict) -> str:
    return thing.name + str(extra.get("name"))


@app.get("/search")
async def search(request: Request) -> int:
    return int(request.query_params["page"])


@app.get("/links")
async def links(request: Request) -> str:
    return str(request.query_params)


@app.post("/through")
async def through(data: Annotated[Any, Depends(parsed)]) -> str:
    return data["name"]


@app.post("/locked")
async def locked(body: Annotated[Any, Body()]) -> str:
    raise HTTPException(403, "Not for you")


@app.post("/header")
async def header(body: list[Any], x_tenant: Annotated[str, Header()]) -> int:
    return len(body)
"""


@pytest.mark.slow
def test_the_worst_answer_decides(tmp_path: Path) -> None:
    (tmp_path / "main.py").write_text(APP)
    rules = [one for one in all_rules() if one.id == "C02"]
    (result,) = check(Project.find(tmp_path), rules=rules).results
    assert {one.operation: str(one.verdict) for one in result.findings} == {
        "POST /webhook": "disproven",
        "POST /rpc": "suspected",
        "POST /documents": "suspected",
        "POST /embedded": "proven",
        "GET /search": "proven",
        "POST /through": "proven",
        "POST /locked": "suspected",
        "POST /header": "suspected",
    }
    assert result.reason == ""


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        ({}, True),
        ({"title": "Body"}, True),
        ({"type": "object", "additionalProperties": True}, True),
        ({"type": "object", "additionalProperties": {"type": "integer"}}, False),
        ({"type": "array", "items": {}}, True),
        ({"type": "array", "items": {"type": "string"}}, False),
        ({"anyOf": [{"type": "object"}, {"type": "null"}]}, True),
        ({"anyOf": [{"type": "string"}, {"type": "null"}]}, False),
        ({"$ref": "#/components/schemas/Thing"}, False),
        (True, False),
    ],
)
def test_what_says_nothing(schema: object, expected: bool) -> None:
    assert _is_shapeless(schema) is expected
