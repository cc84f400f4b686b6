"""T01: what changes and deletes many is seen to succeed, and the gaps are counted once."""

from pathlib import Path

import pytest

from stanchion.gate import Project, Report, all_rules, check
from stanchion.gate.model import Exercised

pytestmark = pytest.mark.slow

APP = """
from itertools import count

from fastapi import FastAPI, HTTPException
from pydantic import BaseModel

app = FastAPI()
things, numbers = {}, count(100)


class ThingCreate(BaseModel):
    name: str


class Thing(ThingCreate):
    id: int
    version: int


class Change(BaseModel):
    id: int
    version: int
    name: str | None = None


def found(thing_id: int) -> Thing:
    if thing_id not in things:
        raise HTTPException(404)
    return things[thing_id]


@app.post("/things", status_code=201)
def create(body: ThingCreate) -> Thing:
    made = Thing(id=next(numbers), version=7, name=body.name)
    things[made.id] = made
    return made
"""
MANY = """

@app.patch("/things/bulk")
def change(body: list[Change]) -> list[Thing]:
    for one in body:
        if found(one.id).version != one.version or one.name in (None, things[one.id].name):
            raise HTTPException(409)
    return [found(one.id) for one in body]


@app.delete("/things/bulk")
def delete(body: list[int]) -> list[int]:
    return [things.pop(found(one).id).id for one in body]
"""
ONE = """

@app.get("/things/{thing_id}")
def read(thing_id: int) -> Thing:
    return found(thing_id)
"""
GAPS = """

@app.get("/things/newest")
def newest() -> Thing:
    return found(max(things))


@app.get("/closed")
def closed() -> None:
    raise HTTPException(403)
"""


def exercised(folder: Path, code: str) -> Report:
    (folder / "main.py").write_text(code)
    return check(Project.find(folder), rules=[one for one in all_rules() if one.id == "T01"])


def test_many_are_changed_and_deleted(tmp_path: Path) -> None:
    report = exercised(tmp_path, APP + MANY + ONE)
    rows = {row.operation: row for row in report.operations}
    assert rows["PATCH /things/bulk"] == Exercised("PATCH /things/bulk", 200, 422)
    assert rows["DELETE /things/bulk"] == Exercised("DELETE /things/bulk", 200, 422)
    assert [(result.reason, result.findings) for result in report.results] == [("", ())]


def test_the_rule_counts_as_the_matrix_does(tmp_path: Path) -> None:
    report = exercised(tmp_path, APP + ONE + GAPS)
    (result,) = report.results
    assert [finding.operation for finding in result.findings] == ["GET /things/newest"]
    gaps = [row for row in report.operations if row.why]
    assert [row.operation for row in gaps] == ["GET /things/newest", "GET /closed"]
    said = "; ".join(f"{row.operation}: {row.why}" for row in gaps)
    assert result.reason == f"of 2 of 4 operations something is missing: {said}"


def test_it_is_the_last_to_judge() -> None:
    last = max(all_rules(), key=lambda one: one.turn)
    assert last.id == "T01"
    assert [one.id for one in all_rules() if one.turn == last.turn] == ["T01"]
