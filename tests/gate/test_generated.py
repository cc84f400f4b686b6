"""Requests that fit a document: the same in every run, and nothing left behind."""

import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis.internal import charmap
from hypothesis.internal.intervalsets import IntervalSet

from stanchion.gate import Project, Verdict, all_rules, check
from stanchion.gate.generated import Request, Requests, quiet
from stanchion.gate.subject import Document

CONTENT: dict[str, Any] = {
    "openapi": "3.1.0",
    "info": {"title": "Things", "version": "1"},
    "paths": {
        "/things/{thing_id}": {
            "put": {
                "parameters": [
                    {"name": "thing_id", "in": "path", "required": True, "schema": {"type": "integer"}},
                    {"name": "X-Language", "in": "header", "schema": {"type": "string"}},
                ],
                "requestBody": {
                    "required": True,
                    "content": {
                        "application/json": {"schema": {"type": "array", "items": {"type": "string"}}}
                    },
                },
                "responses": {"200": {"description": "Put"}},
            }
        },
        "/odd": {
            "get": {
                "parameters": [
                    {"name": "n", "in": "query", "schema": {"type": "string", "examples": "chicken"}}
                ],
                "responses": {"200": {"description": "Odd"}},
            }
        },
        "/nothing": {
            "get": {
                "parameters": [
                    {"name": "n", "in": "query", "required": True, "schema": {"type": "string", "enum": []}}
                ],
                "responses": {"200": {"description": "Never"}},
            }
        },
    },
}


def made(known: dict[str, object]) -> list[Request]:
    found: list[Request] = []

    def note(request: Request) -> bool:
        found.append(request)
        return False

    assert Requests(Document(CONTENT)).smallest("PUT /things/{thing_id}", known, note, examples=12)
    return found


@pytest.mark.slow
def test_they_are_the_same_in_every_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    first = made({"thing_id": "77"})
    assert first == made({"thing_id": "77"})
    assert "/things/77" in {one.path for one in first}
    assert len({one.path for one in first}) > 1
    assert {name for one in first for name, _ in one.headers} <= {"Content-Type", "X-Language"}
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_the_smallest_of_those_that_are_wanted_is_found() -> None:
    wanted: list[Request] = []

    def has_an_item(request: Request) -> bool:
        if b'"' in request.content:
            wanted.append(request)
        return b'"' in request.content

    assert Requests(Document(CONTENT)).smallest("PUT /things/{thing_id}", {}, has_an_item, examples=12)
    assert min(wanted, key=lambda one: one.size).content == b'[""]'


@pytest.mark.slow
def test_what_cannot_be_made_is_said_to_be_none() -> None:
    requests = Requests(Document(CONTENT))
    assert requests.has("GET /nothing")
    assert not requests.has("GET /elsewhere")
    assert not requests.smallest("GET /odd", {}, lambda _: True, examples=12)  # a schema that is none
    assert not requests.smallest("GET /nothing", {}, lambda _: True, examples=5)


def test_the_table_of_utf_8_is_what_hypothesis_would_make(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "maxunicode", 0)  # what it would find by itself
    with quiet():
        encodable, lost = charmap.intervals_from_codec.__wrapped__("utf-8")
    assert encodable == IntervalSet([(0, 0xD7FF), (0xE000, 0x10FFFF)])
    assert not lost


APP = """
import urllib.request
from typing import Annotated

from fastapi import Body, FastAPI, HTTPException

app = FastAPI()
made = set()


@app.post("/fetch")
def fetch(text: Annotated[str, Body()]) -> str:
    return urllib.request.urlopen("http://198.51.100.7/", timeout=1).read().decode()


@app.get("/later", responses={503: {"description": "Not yet"}})
def later() -> str:
    raise HTTPException(503, "Not yet")


@app.post("/once")
def once() -> str:
    if not made:
        made.add(1)
        raise RuntimeError("The first one fails")
    return "fine"


@app.delete("/everything")
def delete() -> int:
    return 1 // 0
"""


@pytest.mark.slow
def test_what_the_gate_keeps_away_and_what_is_documented_is_no_fault(tmp_path: Path) -> None:
    (tmp_path / "main.py").write_text(APP)
    rules = [one for one in all_rules() if one.id == "C04"]
    (result,) = check(Project.find(tmp_path), rules=rules).results
    assert [(one.operation, one.verdict) for one in result.findings] == [
        ("POST /once", Verdict.suspected),
        ("DELETE /everything", Verdict.proven),
    ]
    assert result.reason.startswith("3 of 4 were asked; POST /fetch: it wants to reach 198.51.100.7:80")


def test_the_rules_that_leave_disorder_run_after_the_others() -> None:
    turns = {one.id: one.turn for one in all_rules() if one.turn}
    assert list(turns) == ["C02", "C04", "T01"]
    assert all(former != latter for former, latter in pairwise(turns.values()))
