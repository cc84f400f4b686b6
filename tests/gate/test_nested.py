"""Children and their parents: what looks like a child of another, and is not."""

from pathlib import Path

import pytest

from stanchion.gate import Project, Result, check
from stanchion.gate.rules.contract.child_of_its_parent import child_of_its_parent

HEAD = """
from fastapi import FastAPI, HTTPException
from pydantic import BaseModel

app = FastAPI()
parents, children = {}, {}


class Named(BaseModel):
    name: str


def there(parent_id: int) -> dict:
    if parent_id not in parents:
        raise HTTPException(404)
    return parents[parent_id]


@app.post("/parents", status_code=201)
def create_parent(body: Named) -> dict:
    parents[len(parents) + 1] = {1: {"id": 1, "name": "the first, made for each"}}
    return {"id": len(parents), "name": body.name}
"""
COUNTED = """
@app.post("/parents/{parent_id}/children", status_code=201)
def create_child(parent_id: int, body: Named) -> dict:
    own = there(parent_id)
    own[len(own) + 1] = {"id": len(own) + 1, "name": body.name}
    return own[len(own)]


@app.get("/parents/{parent_id}/children")
def list_children(parent_id: int) -> dict:
    return {"items": list(there(parent_id).values())}
"""
EACH_ITS_OWN = """
@app.get("/parents/{parent_id}/children/{child_id}")
def read_child(parent_id: int, child_id: int) -> dict:
    return there(parent_id).get(child_id, {"id": child_id, "name": "a soft 404"})


@app.put("/parents/{parent_id}/children/{child_id}")
def put_child(parent_id: int, child_id: int, body: Named) -> dict:
    there(parent_id)[child_id] = {"id": child_id, "name": body.name}
    return there(parent_id)[child_id]


@app.delete("/parents/{parent_id}/children/{child_id}", status_code=204)
def delete_child(parent_id: int, child_id: int) -> None:
    there(parent_id).pop(child_id, None)
"""
SHARED = """
@app.delete("/parents/{parent_id}/children/{child_id}", status_code=204)
def delete_child(parent_id: int, child_id: int) -> None:
    for own in parents.values():
        own.pop(child_id, None)
"""
REFUSING = """
@app.post("/parents/{parent_id}/children", status_code=201)
def create_child(parent_id: int, body: Named) -> dict:
    raise HTTPException(403)


@app.get("/parents/{parent_id}/children/{child_id}")
def read_child(parent_id: int, child_id: int) -> dict:
    return {}
"""


def judged(folder: Path, *parts: str) -> Result:
    (folder / "main.py").write_text("".join((HEAD, *parts)))
    (result,) = check(Project.find(folder), rules=[child_of_its_parent]).results
    return result


@pytest.mark.slow
def test_ids_that_begin_anew_under_each_parent_are_not_reported(tmp_path: Path) -> None:
    result = judged(tmp_path, COUNTED, EACH_ITS_OWN)
    assert (result.reason, result.findings) == ("", ())


@pytest.mark.slow
def test_a_deletion_is_seen_in_the_list(tmp_path: Path) -> None:
    result = judged(tmp_path, COUNTED, SHARED)
    (finding,) = result.findings
    assert finding.message == "A child can be deleted through a parent that is not its own."
    assert "it is now: GET /parents/1/children\n200" in finding.evidence
    assert "DELETE /parents/2/children/2\n204" in finding.evidence


@pytest.mark.slow
def test_why_it_is_not_judged(tmp_path: Path) -> None:
    result = judged(tmp_path, REFUSING)
    assert result.findings == ()
    assert (result.applies, result.reason) == (
        True,
        "/parents/{parent_id}/children: a child could not be made",
    )
    result = judged(tmp_path)
    assert (result.applies, result.reason) == (False, "no collection lies under the items of another")
