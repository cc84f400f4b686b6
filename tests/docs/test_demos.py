"""demos/: each story is so, and is told to be otherwise where it is."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from demos import prove, survive
from demos.serving import DemoError

REPOSITORY = Path(__file__).parents[2]


def told(module: str, *arguments: str) -> str:
    command = [sys.executable, "-m", module, *arguments]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=110)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture
def changed(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """A copy of an app with one line changed: its folder."""
    app, line, other = request.param
    folder = tmp_path / "changed"
    shutil.copytree(app, folder, ignore=shutil.ignore_patterns("__pycache__", "*.db*"))
    text = (folder / "main.py").read_text()
    assert line in text
    (folder / "main.py").write_text(text.replace(line, other))
    return folder


@pytest.mark.slow
def test_a_defect_is_proven_and_shown() -> None:
    story = told("demos.prove")
    assert "S07, critical, proven: One user can read what another has made." in story
    assert story.count("curl -i") == 2
    assert '200 {"text": ' in story.partition("Bob asks for it")[2]


WRITE = """curl -i http://127.0.0.1:8000/notes -H 'Authorization: Bearer '"$API_KEY" \\
-H 'Content-Type: application/json' -d '{"text": "a"}'""".replace("\\\n", "")
READ = """curl -i http://127.0.0.1:8000/notes/20 -H 'Authorization: Bearer '"$OTHER_API_KEY\""""
OWNED = (prove.STRANGER, "    if note is None:\n", "    if note is None or note.owner_id != user.id:\n")


@pytest.mark.slow
@pytest.mark.parametrize("changed", [OWNED], indirect=True)
def test_no_defect_is_shown_where_there_is_none(
    changed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = {"curl": "\n".join((WRITE, READ))}
    monkeypatch.setattr(prove, "STRANGER", changed)
    with pytest.raises(DemoError, match="S07 was not proven"):
        prove.finding(prove.report(tmp_path))
    with pytest.raises(DemoError, match="Bob was kept out"):
        prove.show(found, tmp_path)


@pytest.mark.slow
def test_what_is_killed_is_there_once(database_url: str) -> None:
    story = told("demos.survive", database_url)
    everything = "row: 1, event: 1, job: 1, stored reply: 1, what the job wrote: 1"
    assert story.count("The client has heard: nothing") == 2
    assert story.count(everything) == 2
    assert "row: 0, event: 0, job: 0, stored reply: 0, what the job wrote: 0" in story


ONCE = (survive.SHOP, ", dependencies=[Depends(idempotency)]", "")
HALF = (
    survive.SHOP,
    "    await session.flush()\n",
    "    await session.flush()\n    await session.commit()\n",
)


@pytest.mark.slow
@pytest.mark.parametrize("changed", [ONCE, HALF], indirect=True, ids=["no idempotency", "an early commit"])
def test_what_is_there_twice_or_by_half_is_told(
    changed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(survive, "SHOP", changed)
    with pytest.raises(DemoError, match=r"there should be|the second reply is another one"):
        survive.main("", tmp_path)
