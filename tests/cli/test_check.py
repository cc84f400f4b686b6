"""`stanchion check`: what it explains, runs and writes, and the status with which it ends."""

import importlib.util
import json
import os
import re
import subprocess
import sys
import time
from dataclasses import replace
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import Any

import pytest
from tests.cli.conftest import Call
from tests.gate.report.samples import DISPROVEN, PROVEN, SUSPECTED, make_rule

import stanchion.gate
from stanchion.cli.check import _NEEDED
from stanchion.cli.pages import Page, pages
from stanchion.gate import (
    Finding,
    Kind,
    Line,
    Options,
    Project,
    Report,
    Result,
    Rule,
    Severity,
    Site,
    all_rules,
)

pytestmark = pytest.mark.measured

CASES = Path(__file__).parents[1] / "gate" / "cases"
RULES = {one.id: one for one in all_rules()}
APP = "from fastapi import FastAPI\n\napp = FastAPI()\n"
LOOKS_SO = f"{APP}\n\ndef known(token: str, secret_key: str) -> bool:\n    return token == secret_key\n"


@pytest.fixture(autouse=True)
def no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("STANCHION_CHECK_KEY", raising=False)


class Ran:
    """Stands for the run itself, where the test is about what is before or after it."""

    def __init__(self, report: Report) -> None:
        self.report = report
        self.target: Project | Site | None = None
        self.rules: list[Rule] = []
        self.options = Options()

    def __call__(
        self, target: Project | Site, *, rules: list[Rule], options: Options, progress: Any
    ) -> Report:
        self.target, self.rules, self.options = target, rules, options
        for one in rules:
            if progress is not None:
                progress(one)
        return self.report


def ran(monkeypatch: pytest.MonkeyPatch, *findings: Finding, severity: Severity = Severity.major) -> Ran:
    result = Result(make_rule("S04", Line.keys, severity), findings)
    made = Ran(Report("shop", (result,), seconds=1.0))
    monkeypatch.setattr(stanchion.gate, "check", made)
    return made


def test_explain_prints_the_page(call: Call) -> None:
    for name in ("S04", "s04"):
        said = call("check", "explain", name)
        assert (said.status, said.out, said.err) == (0, f"{RULES['S04'].page}\n", "")


WITHOUT_THE_EXTRA = """
import sys

for name in {needed}:
    sys.modules[name] = None

from stanchion.cli import main

sys.argv = ["stanchion", "check", "explain", "S04"]
main()
"""


def test_explain_needs_no_extra() -> None:
    script = WITHOUT_THE_EXTRA.format(needed=(*_NEEDED, "hypothesis"))
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{RULES['S04'].page}\n", "")


def test_the_pages_are_those_of_the_rules() -> None:
    assert pages() == [Page(one.id, one.title, one.page) for one in all_rules()]


def test_explain_knows_what_there_is(call: Call) -> None:
    for names, problem in ((["Z99"], "There is no rule 'Z99'"), ([], "Name a rule")):
        said = call("check", "explain", *names)
        assert (said.status, said.out) == (2, "")
        assert said.err.startswith(f"{problem}; there are:\n  A01  ")
        assert f"\n  S04  {RULES['S04'].title}\n" in said.err


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["main:app", "S04"], "a rule goes with explain alone"),
        (["--allow", "db"], "'db' is no HOST:PORT, no socket's path and no driver (MySQLdb, "),
        (["--database-url", "mysql://db/shop"], "it is no URL of PostgreSQL or SQLite."),
        (["--against", "released.json"], "there is no file released.json."),
        (["--output", "nowhere/report.json"], "there is no folder nowhere."),
    ],
)
def test_what_cannot_be_is_refused_at_once(call: Call, arguments: list[str], problem: str) -> None:
    said = call("check", *arguments)
    assert (said.status, said.out) == (2, "")
    assert problem in " ".join(said.err.split())


@pytest.mark.parametrize("text", ["COLOUR", "=red", ""])
def test_a_malformed_variable(call: Call, text: str) -> None:
    said = call("check", "--env", text)
    assert said.status == 2
    assert f"{text!r} is no NAME=VALUE." in said.err


def test_no_app(call: Call, folder: Path) -> None:
    said = call("check")
    assert (said.status, said.out) == (2, "")
    assert said.err == (
        f"No FastAPI app was found in {folder}: name it, as in `stanchion check main:app --path {folder}`.\n"
    )


@pytest.mark.slow
def test_what_is_told_to_end_clears_away(folder: Path) -> None:
    """SIGTERM leaves no copy, and no process of the app's."""
    temporary = folder / "temporary"
    temporary.mkdir()
    (folder / "main.py").write_text(f"import time\n\n{APP}open('started', 'w').close()\ntime.sleep(60)\n")
    process = subprocess.Popen(
        [sys.executable, "-m", "stanchion.cli", "check"], env={**os.environ, "TMPDIR": str(temporary)}
    )
    while not list(temporary.glob("stanchion-check-*/*/started")):
        assert process.poll() is None
        time.sleep(0.05)
    process.terminate()
    assert process.wait(20) == 143
    assert list(temporary.iterdir()) == []


def test_a_url(call: Call, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the site itself is asked stands in tests/gate/test_site.py."""
    made = ran(monkeypatch)
    asked: list[Any] = []

    def find(url: str, *, owned: bool, folder: Path | None) -> Site:
        asked.append((url, owned, folder))
        return Site(url, None)

    monkeypatch.setattr(Site, "find", find)
    assert call("check", "https://shop.example/", "--i-own-this-target").status == 0
    assert call("check", "http://127.0.0.1:8000", "--path", str(folder)).status == 0
    assert asked == [("https://shop.example/", True, None), ("http://127.0.0.1:8000", False, folder)]
    assert isinstance(made.target, Site)


def test_a_url_that_is_none(call: Call) -> None:
    said = call("check", "ftp://shop.example")
    assert (said.status, said.out) == (2, "")
    assert said.err.startswith("ftp://shop.example is no URL of a backend: ")


def test_no_such_interpreter(call: Call, folder: Path) -> None:
    (folder / "main.py").write_text(APP)
    said = call("check", "--python", "python9")
    assert (said.status, said.err) == (2, "There is no interpreter python9: name another with --python.\n")


def test_the_extra_is_missing(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    find = importlib.util.find_spec

    def without(name: str) -> ModuleSpec | None:
        return None if name in ("jinja2", "ruff") else find(name)

    monkeypatch.setattr("stanchion.cli.check.find_spec", without)
    said = call("check")
    expected = (
        "The gate needs more (jinja2, ruff): install it with its extra, best in an environment of its own: "
        'pip install "path/to/stanchion[check]"; or, in what `stanchion init` made: '
        'pip install -e ".[check]".\n'
    )
    assert (said.status, said.out, said.err) == (2, "", expected)


def test_what_is_given_arrives(call: Call, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "backend").mkdir()
    (folder / "backend" / "shop.py").write_text(APP)
    made = ran(monkeypatch)
    (folder / "released.json").write_text("{}")
    said = call(
        *("check", "shop:app", "--path", "backend", "--key", "st_1", "--env", "A=b=c", "--env", "D="),
        *("--allow", "127.0.0.1:5432", "--allow", "db:1", "--database-url", "postgresql://db/", "--against"),
        *("released.json", "--i-own-this-target"),
    )
    assert said.status == 0
    assert isinstance(made.target, Project)
    assert (made.target.root, made.target.entry) == (folder / "backend", "shop:app")
    expected = Options(
        key="st_1",
        allowed=("127.0.0.1:5432", "db:1"),
        environment=(("A", "b=c"), ("D", "")),
        database_url="postgresql://db/",
        owned=True,
        against=Path("released.json"),
    )
    assert made.options == expected
    assert made.rules == list(all_rules())


def test_the_key_may_be_in_the_environment(call: Call, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "main.py").write_text(APP)
    made = ran(monkeypatch)
    monkeypatch.setenv("STANCHION_CHECK_KEY", "st_2")
    assert call("check").status == 0
    assert made.options.key == "st_2"


def test_quick_leaves_out_what_is_watched_from_inside(
    call: Call, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "main.py").write_text(APP)
    made = ran(monkeypatch)
    assert call("check", "--quick").status == 0
    assert made.rules == [one for one in all_rules() if one.kind is not Kind.instrumented]
    assert 0 < len(made.rules) < len(all_rules())


@pytest.mark.parametrize(
    ("findings", "severity", "statuses"),
    [
        ((), Severity.critical, (0, 0, 0)),
        ((DISPROVEN,), Severity.critical, (0, 0, 0)),
        ((SUSPECTED,), Severity.minor, (0, 1, 0)),
        ((PROVEN,), Severity.minor, (1, 1, 0)),
        ((SUSPECTED, PROVEN), Severity.critical, (1, 1, 0)),
        ((PROVEN, SUSPECTED), Severity.information, (0, 0, 0)),
    ],
)
def test_the_status_is_that_of_the_findings(
    call: Call,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    findings: tuple[Finding, ...],
    severity: Severity,
    statuses: tuple[int, int, int],
) -> None:
    (folder / "main.py").write_text(APP)
    ran(monkeypatch, *findings, severity=severity)
    made = [call("check", "--fail-on", one).status for one in ("proven", "suspected", "never")]
    assert tuple(made) == statuses
    assert call("check").status == statuses[0]


@pytest.mark.parametrize(
    ("form", "start"),
    [("json", '{\n  "version": '), ("sarif", '{\n  "$schema": '), ("html", "<!doctype html>"), ("text", "")],
)
def test_each_format_goes_to_a_file_or_the_terminal(
    call: Call, folder: Path, monkeypatch: pytest.MonkeyPatch, form: str, start: str
) -> None:
    (folder / "main.py").write_text(APP)
    ran(monkeypatch, PROVEN)
    printed = call("check", "--format", form)
    written = call("check", "--format", form, "--output", "report")
    assert (printed.status, written.status) == (1, 1)
    assert re.fullmatch(r"Score \d+ of 100; .+: report\n", written.out)
    text = (folder / "report").read_text(encoding="utf-8")
    for one in (text, printed.out):
        assert one.lower().startswith(start)
        assert "A wrong key is let in." in one
    if form in ("json", "sarif"):
        assert json.loads(text) == json.loads(printed.out)


def test_a_baseline(call: Call, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "main.py").write_text(APP)
    ran(monkeypatch, PROVEN)
    assert call("check", "--baseline", "known.json").status == 0
    again = call("check", "--baseline", "known.json")
    assert again.status == 0
    assert "1 findings are accepted by known.json" in " ".join(again.out.split())
    ran(monkeypatch, PROVEN, PROVEN)
    assert call("check", "--baseline", "known.json").status == 1
    (folder / "known.json").write_text("{}")
    broken = call("check", "--baseline", "known.json")
    assert (broken.status, broken.out) == (2, "")
    assert broken.err.startswith("known.json is no baseline (")


def test_pyproject_ignores(call: Call, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "main.py").write_text(APP)
    (folder / "pyproject.toml").write_text('[tool.stanchion.check.ignore]\nS04 = "an old client"\n')
    ran(monkeypatch, PROVEN)
    said = call("check")
    assert said.status == 0
    assert "is ignored: an old client" in " ".join(said.out.split())


def test_a_terminal_is_told_which_rule_is_at_work(
    call: Call, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "main.py").write_text(APP)
    made = ran(monkeypatch)
    seen: list[Any] = []
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    monkeypatch.setattr("rich.status.Status.update", lambda self, text: seen.append(text))
    assert call("check").status == 0
    assert len(seen) == len(made.rules)
    assert seen[0] == f"1 of {len(seen)}: {made.rules[0].id} {made.rules[0].title}"


def only(monkeypatch: pytest.MonkeyPatch, *ids: str) -> None:
    monkeypatch.setattr(stanchion.gate, "all_rules", lambda: tuple(RULES[one] for one in ids))


@pytest.mark.slow
def test_what_is_proven_ends_with_1(call: Call, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    only(monkeypatch, "H02")
    said = call(
        *("check", "--path", str(CASES / "H02" / "bad"), "--format", "json", "--output", "report.json")
    )
    assert (said.status, said.err) == (1, "")
    assert said.out.endswith(" s: report.json\n")
    content = json.loads((folder / "report.json").read_text())
    assert content["target"] == str(CASES / "H02" / "bad")
    (result,) = content["results"]
    assert (result["rule"], result["verified"]) == ("H02", True)
    assert {finding["verdict"] for finding in result["findings"]} == {"proven"}
    assert result["findings"][0]["curl"].startswith("curl -i -X POST http://127.0.0.1:8000/things ")
    assert content["score"] < 100


@pytest.mark.slow
def test_what_is_suspected_ends_with_0(call: Call, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing but the report is written, and a baseline accepts what was found."""
    only(monkeypatch, "S04")
    (folder / "main.py").write_text(LOOKS_SO)
    said = call("check")
    assert said.status == 0
    assert "suspected: S04" in said.out
    assert "1 suspected" in said.out.splitlines()[-1]
    assert [path.name for path in folder.iterdir()] == ["main.py"]
    assert call("check", "--fail-on", "suspected", "--baseline", "known.json").status == 0
    assert "1 findings are accepted from now on" not in said.out
    assert len(json.loads((folder / "known.json").read_text())["findings"]) == 1


@pytest.mark.slow
def test_an_app_that_does_not_import_is_no_pass(
    call: Call, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    only(monkeypatch, "H02")
    (folder / "main.py").write_text(f"{APP}raise RuntimeError('no database')\n")
    said = call("check", "--format", "json")
    content = json.loads(said.out)
    assert (said.status, content["verified"]) == (2, 0.0)
    why = "RuntimeError: no database (main.py, line 4)"
    assert content["results"][0]["reason"] == f"the app cannot be imported: {why}"
    assert said.err.startswith(f"The app cannot be imported: {why}. Tried with ")
    assert ", which runs the gate: the project has no environment in its folder" in said.err
    assert "Name another interpreter with --python, install there what is missing" in said.err


@pytest.mark.slow
def test_an_app_of_another_name(call: Call, folder: Path) -> None:
    (folder / "main.py").write_text(APP)
    said = call("check", "main:nope", "--format", "json")
    assert said.status == 2
    assert said.err.startswith("The app cannot be imported: there is no nope in main. Tried with ")


def test_an_error_is_a_failure_unless_nothing_is(
    call: Call, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "main.py").write_text(APP)
    made = ran(monkeypatch)
    made.report = replace(made.report, error="does not start: KeyError: 'A'")
    assert call("check").status == 2
    assert call("check", "--fail-on", "never").status == 0
