"""The skill: its front matter, its scripts, and its code, which runs in a project as it tells."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import sysconfig
import urllib.request
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.main import get_command

import stanchion
from stanchion.cli.commands import app
from stanchion.scaffold import Origin, Project
from stanchion.secret import new_key

SKILL = Path(stanchion.__file__).parent / ".agents/skills/stanchion"
TEXT = (SKILL / "SKILL.md").read_text(encoding="utf-8")
APART = {"anti-patterns"}
"""References whose code is no part of a project; tests/docs/test_anti_patterns.py runs it."""
REFERENCES = sorted(path for path in (SKILL / "references").glob("*.md") if path.stem not in APART)
TEXTS = {"SKILL": TEXT, **{path.stem: path.read_text(encoding="utf-8") for path in REFERENCES}}
PATTERN = re.compile(r"^```python\n# (\S+), (add|new)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
BLOCKS = [block for text in TEXTS.values() for block in PATTERN.findall(text)]
REVISIONS = "migrations/versions/*_"
"""How a block begins whose file `stanchion migrate new` makes."""
PATIENCE = 60


def make_project(folder: Path) -> Path:
    project = Project.plan(str(folder), database="sqlite", origin=Origin(stanchion.__version__))
    project.create(api_key=new_key())
    return folder


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return make_project(tmp_path / "shop")


@pytest.fixture
def command(tmp_path: Path) -> Path:
    """A folder with `stanchion` in it, to put on PATH: this environment's, wherever that comes from."""
    script = tmp_path / "bin/stanchion"
    script.parent.mkdir()
    script.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m stanchion.cli "$@"\n')
    script.chmod(0o755)
    return script.parent


def run(*arguments: str | Path, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        arguments,
        cwd=cwd,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


def test_front_matter() -> None:
    parts = re.fullmatch(r"---\n(.*?)\n---\n(.*)", TEXT, re.DOTALL)
    assert parts
    front, body = parts.groups()
    matter = yaml.safe_load(front)
    # https://agentskills.io/specification: these six and no others, what is our own in `metadata`, as text.
    assert matter.keys() == {"name", "description", "license", "compatibility", "metadata"}
    assert matter["metadata"].keys() == {"version", "last-verified", "triggers"}
    assert matter["metadata"]["version"] == stanchion.__version__
    assert date.fromisoformat(matter["metadata"]["last-verified"])
    assert len(matter["compatibility"]) <= 500
    assert matter["name"] == SKILL.name == "stanchion"
    assert 100 < len(matter["description"]) <= 1024
    assert body.startswith("\n# Stanchion\n")
    assert len(TEXT.splitlines()) < 500, "what is long belongs in references/"
    headings = re.findall(r"^### \d\. (.*)$", body, re.MULTILINE)
    assert sorted(headings) == ["Async", "Endpoints", "Errors", "Injection", "Models", "Streaming"]


def test_it_names_files_that_are_there(project: Path) -> None:
    for path in re.findall(r"scripts/\w+\.\w+", TEXT):
        assert (SKILL / path).is_file()
    for name in re.findall(r"`(\w+\.py|tests/\w+\.py|routers/|pyproject\.toml)`", TEXT):
        assert (project / name).exists()
    assert (Path(stanchion.__file__).parent / "errors/__init__.py").is_file()
    assert {f"references/{path.name}" for path in (SKILL / "references").iterdir()} == set(
        re.findall(r"\]\((references/[\w-]+\.md)\)", TEXT)
    )


def test_its_commands_are_there() -> None:
    everything = "".join(TEXTS.values())
    named = {
        tuple(words.split()) for words in re.findall(r"(?m)(?:`|& |^)stanchion ((?:[a-z]+ ?)+)", everything)
    }
    assert {words[0] for words in named} >= {"init", "add", "dev", "migrate", "keys", "run", "check", "skill"}
    for words in named:
        command: Any = get_command(app)
        for word in words:
            if commands := getattr(command, "commands", None):
                assert word in commands, f"stanchion {' '.join(words)}"
                command = commands[word]


@pytest.mark.parametrize("name", TEXTS)
def test_every_block_of_python_is_for_a_file(name: str) -> None:
    assert len(PATTERN.findall(TEXTS[name])) == TEXTS[name].count("```python")


@pytest.mark.parametrize("name", TEXTS)
def test_its_json_is_json(name: str) -> None:
    for block in re.findall(r"^```json\n(.*?)^```$", TEXTS[name], re.MULTILINE | re.DOTALL):
        assert json.loads(block)


def test_the_messages_that_it_explains_are_the_librarys() -> None:
    files = Path(stanchion.__file__).parent.rglob("*.py")
    words = (" ".join(path.read_text(encoding="utf-8").split()) for path in files)
    source = re.sub(r"""["'] f?["']""", "", "".join(words))
    rows = re.findall(r"^\| (?!-|it )([^|]*) \|", TEXTS["troubleshooting"], re.MULTILINE)
    messages = [message for row in rows for message in re.findall(r"`([A-Z][^`]* [^`]*)`", row)]
    assert len(messages) > 10
    assert [message for message in messages if message not in source] == []


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: f"{block[1]}-{block[0]}")
def test_its_code_is_for_files_that_are_there(project: Path, block: tuple[str, str, str]) -> None:
    name, how, code = block
    compile(code, name, "exec")
    written_before = {other[0] for other in BLOCKS[: BLOCKS.index(block)]}
    there = (project / name).exists() or name in written_before or name.startswith(REVISIONS)
    assert there == (how == "add")


@pytest.fixture(scope="module")
def with_its_code(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A new project with every block put where it says, and migrated."""
    folder = make_project(tmp_path_factory.mktemp("skill") / "shop")

    def stanchion(*words: str) -> None:
        result = run(sys.executable, "-m", "stanchion.cli", *words, cwd=folder)
        assert result.returncode == 0, result.stderr

    for name, how, code in [block for block in BLOCKS if not block[0].startswith(REVISIONS)]:
        with (folder / name).open("a", encoding="utf-8") as file:
            file.write(f"\n\n{code}" if how == "add" else code)
    stanchion("migrate")
    stanchion("migrate", "new", "what the skill adds")
    stanchion("migrate")
    for name, _, code in [block for block in BLOCKS if block[0].startswith(REVISIONS)]:
        stanchion(
            "migrate", "new", "--empty", name.removeprefix(REVISIONS).removesuffix(".py").replace("_", " ")
        )
        (revision,) = folder.glob(name)
        revision.write_text(f"{revision.read_text()}\n\n{code}")
        stanchion("migrate")
    stanchion("migrate", "--check")
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("database", ["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def test_its_code_runs(with_its_code: Path, database: str) -> None:
    tests = [name for name, _, _ in BLOCKS if name.startswith("tests/")]
    arguments = ["-m", "pytest", "-p", "anyio", "-q", *tests, "--database", database]
    # Without the plugins that only the repository has.
    ran = run(sys.executable, *arguments, cwd=with_its_code, PYTEST_DISABLE_PLUGIN_AUTOLOAD="1")
    assert ran.returncode == 0, ran.stdout
    passed = re.search(r"(\d+) passed", ran.stdout)
    assert passed
    assert int(passed[1]) >= sum(code.count("def test_") for _, _, code in BLOCKS)


def test_init_script(tmp_path: Path, command: Path) -> None:
    script = SKILL / "scripts/init_fastapi.py"
    path = f"{command}{os.pathsep}{os.environ['PATH']}"
    made = run(sys.executable, script, "shop", "--database", "postgresql", cwd=tmp_path, PATH=path)
    assert made.returncode == 0, made.stderr
    assert "DATABASE_URL=postgresql://localhost/shop" in (tmp_path / "shop/.env").read_text()
    again = run(sys.executable, script, "shop", cwd=tmp_path, PATH=path)
    assert (again.returncode, again.stdout) == (1, "")
    assert again.stderr.startswith(f"{tmp_path}/shop is not empty")


def test_init_script_without_stanchion(tmp_path: Path) -> None:
    alone = tmp_path / "bin/python3"
    alone.parent.mkdir()
    alone.symlink_to(sys.executable)
    result = run(alone, SKILL / "scripts/init_fastapi.py", "shop", cwd=tmp_path, PATH=str(alone.parent))
    assert result.returncode == 1
    assert result.stderr == "stanchion is not installed here: run `python3 -m pip install stanchion`.\n"


@pytest.fixture(params=["PATH", ".venv"])
def served(request: pytest.FixtureRequest, project: Path, command: Path) -> Iterator[str]:
    """Run run_dev.sh with either `stanchion`, and give what it prints up to the second curl line."""
    path = f"{command}{os.pathsep}{os.environ['PATH']}"
    if request.param == ".venv":
        shutil.copytree(command, project / ".venv/bin")
        path = "/usr/bin:/bin"
    server = subprocess.Popen(
        [SKILL / "scripts/run_dev.sh", "--port", "0"],
        cwd=project,
        env={**os.environ, "PATH": path, "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        printed = ""
        while printed.count("curl ") < 2:
            assert server.stdout is not None
            line = server.stdout.readline()
            assert line, f"it ended: {printed}"
            printed += line
        yield printed
    finally:
        server.send_signal(signal.SIGINT)
        try:
            server.communicate(timeout=60)
        except subprocess.TimeoutExpired:
            os.killpg(server.pid, signal.SIGKILL)
            server.communicate(timeout=60)
            raise


def test_run_script(served: str) -> None:
    address = re.search(r"http://127\.0\.0\.1:\d+", served)
    assert address
    with urllib.request.urlopen(f"{address[0]}/health", timeout=30) as response:
        assert response.status == 200


def test_run_script_without_stanchion(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    result = run("/bin/sh", SKILL / "scripts/run_dev.sh", cwd=tmp_path, PATH=str(tmp_path / "bin"))
    assert result.returncode == 1
    assert result.stderr.startswith("stanchion is not installed here: run `")


def test_the_scripts_can_be_run() -> None:
    for script in (SKILL / "scripts").iterdir():
        assert os.access(script, os.X_OK) or sysconfig.get_platform().startswith("win")
        assert script.read_text().startswith("#!/")
