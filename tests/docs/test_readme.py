"""README.md: its code runs, and its commands and files are there."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import httpx2
import pytest
from tests.serving import TEMPLATE
from typer.testing import CliRunner

from stanchion.cli.commands import app
from stanchion.testing import client

REPOSITORY = Path(__file__).parents[2]
TEXT = (REPOSITORY / "README.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)


def headings(page: Path) -> list[str]:
    """Return the headings of a page as its addresses have them."""
    found = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return [re.sub(r"[^\w -]", "", one).lower().replace(" ", "-") for one in found]


@pytest.mark.anyio
async def test_the_part_that_works_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (whole,) = (block for block in blocks("python") if "app = FastAPI(" in block)
    names: dict[str, object] = {}
    exec(compile(whole, "README.md", "exec"), names)
    async with client(names["app"]) as caller:  # type: ignore[arg-type]
        found: httpx2.Response = await caller.get("/things/7")
    assert (found.status_code, found.json()["error"]) == (404, "thing_not_found")
    await names["database"].close()  # type: ignore[attr-defined]


def test_the_resource_is_the_templates() -> None:
    (resource,) = (block for block in blocks("python") if block.startswith("todos = Resource("))
    assert resource in (TEMPLATE / "routers" / "todos.py").read_text()


BY_HAND = """
import pytest
from sqlalchemy import text


@pytest.mark.anyio
async def test_by_hand(anyone, ada):
    from database import database

    made = await anyone.post("/api/todos", json={"title": "by hand"}, headers=ada)
    assert (made.status_code, "ETag" in made.headers) == (201, False)
    assert (await anyone.get("/api/todos", headers=ada)).json() == [made.json()]
    other = await anyone.post("/api/todos/bulk", json=[{"title": "not"}], headers=ada)
    assert other.status_code == 201
    async with database.read() as session:
        told = (await session.execute(text("SELECT key FROM stanchion_events ORDER BY id"))).scalars().all()
    assert told[-2:] == [str(made.json()["id"]), str(made.json()["id"] + 1)]
"""


@pytest.mark.slow
def test_an_endpoint_of_it_is_replaced(tmp_path: Path) -> None:
    (endpoint,) = (block for block in blocks("python") if "async def create_todo" in block)
    project = tmp_path / "shop"
    shutil.copytree(TEMPLATE, project, ignore=shutil.ignore_patterns("__pycache__", ".env", "*.db*"))
    router = project / "routers/todos.py"
    text = router.read_text().replace('tags=["todos"])', 'tags=["todos"], without=["create"])')
    router.write_text(f"{text}\n\n{endpoint}")
    (project / "tests/test_by_hand.py").write_text(BY_HAND)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/test_by_hand.py"]
    done = subprocess.run(command, cwd=project, capture_output=True, text=True, timeout=110)
    assert done.returncode == 0, done.stdout


def test_its_commands_are_there() -> None:
    named = set(re.findall(r"`stanchion ([a-z]+)", TEXT))
    assert named == {"init", "add", "dev", "run", "worker", "jobs", "migrate", "keys", "check", "skill"}
    for name in named:
        assert CliRunner().invoke(app, [name, "--help"]).exit_code == 0


def test_its_files_are_there() -> None:
    for script in re.findall(r"scripts/\w+\.sh", TEXT):
        assert (REPOSITORY / script).is_file(), script
    for target, heading in re.findall(r"\]\(([^)#]+)#?([^)]*)\)", TEXT):
        assert (REPOSITORY / target).is_file(), target
        assert not heading or heading in headings(REPOSITORY / target), heading
    listed = TEXT.partition("```\nmain.py ")[2].partition("```")[0].split()
    assert "routers/" in listed
    for name in ["main.py", *listed]:
        assert (TEMPLATE / name).exists() or name == ".env", name  # which init writes
