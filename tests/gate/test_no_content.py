"""204 with a body, in the forms in which an app may send one, on both of uvicorn's parsers."""

from pathlib import Path

import pytest

from stanchion.gate import Finding, Project, check
from stanchion.gate.rules.http.no_content_is_empty import no_content_is_empty

APP = """
from fastapi import FastAPI, HTTPException, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel

app = FastAPI()
things = {}


class Thing(BaseModel):
    name: str


def there(thing_id: int) -> None:
    if thing_id not in things:
        raise HTTPException(404)


@app.post("/things", status_code=201)
def create(body: Thing) -> dict:
    things[len(things) + 1] = body.name
    return {"id": len(things), "name": body.name}


@app.put("/things/{thing_id}", status_code=204)
def change(thing_id: int, body: Thing) -> Response:
    there(thing_id)
    return Response(b"done", status_code=204, headers={"Content-Length": "4"})


@app.post("/things/{thing_id}/star", status_code=204)
def star(thing_id: int) -> Response:
    there(thing_id)
    return JSONResponse(None, status_code=204)


@app.post("/things/{thing_id}/unstar", status_code=204)
def unstar(thing_id: int):
    return {"FastAPI": "leaves this out"}


@app.get("/ping", status_code=204)
async def ping() -> Response:
    return Response(status_code=204, headers={"Content-Length": "0"})


@app.post("/logout", status_code=204)
def log_out() -> Response:
    return JSONResponse("it is not asked: it ends a session", status_code=204)
"""
WITH_H11 = """
import sys

sys.modules["httptools"] = None
"""
RAISED = {
    "httptools": "RuntimeError: Response content longer than Content-Length",
    "h11": "LocalProtocolError: Too much data for declared Content-Length",
}


@pytest.mark.slow
@pytest.mark.parametrize("parser", ["httptools", "h11"])
def test_what_is_no_204(tmp_path: Path, parser: str) -> None:
    (tmp_path / "main.py").write_text((WITH_H11 if parser == "h11" else "") + APP)
    (result,) = check(Project.find(tmp_path), rules=[no_content_is_empty]).results
    found: dict[str, Finding] = {one.operation: one for one in result.findings}
    assert sorted(found) == ["POST /things/{thing_id}/star", "PUT /things/{thing_id}"]
    assert RAISED[parser] in found["POST /things/{thing_id}/star"].evidence
    assert "sent 4 bytes after the headers" in found["PUT /things/{thing_id}"].evidence


@pytest.mark.slow
def test_an_app_without_a_204(tmp_path: Path) -> None:
    (tmp_path / "main.py").write_text("from fastapi import FastAPI\napp = FastAPI()\n")
    (result,) = check(Project.find(tmp_path), rules=[no_content_is_empty]).results
    assert (result.applies, result.reason) == (False, "no operation was seen to answer 204")
