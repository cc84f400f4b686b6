"""docs/how-to: its code runs, and what its curl lines answer is what stands below them."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.pages import answered, blocks, shown
from tests.serving import free_port

from stanchion.database import migrations

ADD = Path(__file__).parents[2] / "docs/how-to/add.md"
PAGES = sorted(set((Path(__file__).parents[2] / "docs/how-to").glob("*.md")) - {ADD})
"""All but add.md, whose commands tests/cli/test_add.py runs."""
SERVE = re.compile(r"^```text\n(.+migrate\n)?(uvicorn .+)\n```$", re.MULTILINE)
"""How a page says that its app is served; one without a database makes no tables."""


@pytest.fixture
def address(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Where the app answers that the Python blocks of the page make, with its tables."""
    monkeypatch.chdir(tmp_path)
    code = "\n\n".join(code for kind, code in blocks(request.param) if kind == "python")
    (tmp_path / "main.py").write_text(f"{code}\n")
    how = SERVE.search(request.param.read_text(encoding="utf-8"))
    assert how, "the page does not say how to serve it"
    migrate, serve = how.groups()
    assert serve == "uvicorn main:app"
    if migrate:
        assert migrate == "DATABASE_URL=sqlite:///./shop.db stanchion migrate\n"
        migrations.upgrade("sqlite:///./shop.db", tmp_path)  # as that command does, in this folder
    port = free_port()
    command = [sys.executable, "-m", "uvicorn", "main:app", "--port", str(port)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as server:
        assert server.stdout is not None
        said = ""
        while "Uvicorn running" not in said:
            line = server.stdout.readline()
            assert line, said
            said += line
        yield f"127.0.0.1:{port}"
        server.terminate()


@pytest.mark.slow
@pytest.mark.parametrize("address", PAGES, indirect=True, ids=lambda page: page.stem)
def test_what_a_page_shows(address: str, request: pytest.FixtureRequest) -> None:
    page = request.node.callspec.params["address"]
    found = [block for block in blocks(page) if block[0] in ("sh", "json")]
    assert [kind for kind, _ in found] == ["sh", "json"] * (len(found) // 2)
    assert found
    for (_, line), (_, expected) in zip(found[::2], found[1::2], strict=True):
        wanted = json.loads(expected)
        assert shown(answered(line.strip().replace("127.0.0.1:8000", address)), wanted) == wanted, line
