"""What a team accepts is left out with its reason; what has no reason, or came later, is not."""

import json
from pathlib import Path

import pytest
from tests.gate.report.samples import make_rule

from stanchion.gate import Finding, Line, Report, Result, Verdict
from stanchion.gate.accepted import AcceptedError, without_baseline, without_ignored
from stanchion.gate.source import Source

S04, D01 = make_rule("S04", Line.keys), make_rule("D01", Line.queries)


def finding(
    file: str = "main.py", line: int = 0, message: str = "It is wrong.", verdict: Verdict = Verdict.proven
) -> Finding:
    operation = "" if file else "GET /things"
    return Finding(message=message, verdict=verdict, file=file, line=line, operation=operation)


def report(*findings: Finding, others: tuple[Finding, ...] = ()) -> Report:
    return Report("shop", (Result(S04, findings), Result(D01, others)), notes=("first",))


def ignored(folder: Path, text: str, line: int, *, pyproject: str = "") -> tuple[int, tuple[str, ...]]:
    """Return how many findings are left of one in this line, and the notes; D01 does not run."""
    (folder / "main.py").write_text(text)
    (folder / "pyproject.toml").write_text(pyproject)
    found = Report("shop", (Result(S04, (finding(line=line),)), Result(D01, (), "no")), notes=("first",))
    left = without_ignored(found, Source(folder))
    assert left.notes[0] == "first"
    return left.count(Verdict.proven), left.notes[1:]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("x == y  # stanchion: ignore[S04] it is a form\n", 1),
        ("# stanchion: ignore[S04] it is a form\nx == y\n", 2),
        ("#stanchion:ignore[S04]   it is a form  \nx == y\n", 2),
        ("x == y  # stanchion: ignore[D01, S04] it is a form\n", 1),
        ("x == y  # stanchion: ignore[S04 ,D01] it is a form\n", 1),
        ("x == y  # noqa # stanchion: ignore[S04] it is a form\n", 1),
    ],
)
def test_a_comment_with_a_reason_ignores(tmp_path: Path, text: str, line: int) -> None:
    assert ignored(tmp_path, text, line) == (0, (f"S04 at main.py:{line} is ignored: it is a form",))


@pytest.mark.parametrize(
    "text", ["x == y  # stanchion: ignore[S04]\n", "x == y  # stanchion: ignore[S04]  \n"]
)
def test_a_comment_without_a_reason_ignores_nothing(tmp_path: Path, text: str) -> None:
    note = "S04 at main.py:1 is not ignored: main.py:1 gives no reason"
    assert ignored(tmp_path, text, 1) == (1, (note,))


@pytest.mark.parametrize(
    ("text", "line", "note"),
    [
        ("x == y  # stanchion: ignore[D01] another rule, which did not run\n", 1, ""),
        ("# stanchion: ignore[S04] too far\n\nx == y\n", 3, "main.py:1 ignores S04, which finds nothing"),
        ("x == y\n# stanchion: ignore[S04] below\n", 1, "main.py:2 ignores S04, which finds nothing there"),
        ("x == y  # stanchion: ignore[s04] small\n", 1, "main.py:1 ignores nothing: there is no rule s04"),
        ("x == y  # stanchion: ignore[X99] what\n", 1, "main.py:1 ignores nothing: there is no rule X99"),
        ("x == y  # stanchion: ignore no rule\n", 1, "main.py:1 ignores nothing: name the rule"),
        ("x == y  # stanchion: ignore[S04] of no line\n", 9, "main.py:1 ignores S04, which finds nothing"),
        ("x == y\n", 9, ""),
    ],
)
def test_other_comments_ignore_nothing_and_are_told(tmp_path: Path, text: str, line: int, note: str) -> None:
    left, notes = ignored(tmp_path, text, line)
    assert left == 1
    assert [one[: len(note)] for one in notes] == ([note] if note else [])


def test_only_the_rule_that_is_named_is_ignored(tmp_path: Path) -> None:
    (tmp_path / "main.py").write_text("x == y  # stanchion: ignore[S04] it is a form\n")
    found = report(finding(line=1), finding("other.py", 1), finding(""), others=(finding(line=1),))
    left = without_ignored(found, Source(tmp_path))
    assert [len(result.findings) for result in left.results] == [2, 1]
    assert len(left.notes) == 2


def test_pyproject_ignores_a_rule_everywhere(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text('[tool.stanchion.check.ignore]\nS04 = "keys are public"\n')
    found = report(finding(line=1), finding(""), others=(finding(),))
    left = without_ignored(found, Source(tmp_path))
    assert [len(result.findings) for result in left.results] == [0, 1]
    assert left.notes == (
        "first",
        "S04 at main.py:1 is ignored: keys are public",
        "S04 at GET /things is ignored: keys are public",
    )


def test_pyproject_needs_a_reason_too(tmp_path: Path) -> None:
    table = '[tool.stanchion.check]\nignore = { S04 = " " }\n'
    left, (note,) = ignored(tmp_path, "", 1, pyproject=table)
    assert left == 1
    assert note == "S04 at main.py:1 is not ignored: pyproject.toml gives no reason"


@pytest.mark.parametrize(
    "text", ["", "[tool\n", "tool = 1\n", "[tool]\nstanchion = 1\n", "[tool.stanchion]\ncheck = true\n"]
)
def test_pyproject_that_ignores_nothing(tmp_path: Path, text: str) -> None:
    assert ignored(tmp_path, "", 1, pyproject=text) == (1, ())


@pytest.mark.parametrize("value", ['["S04"]', '"S04"', "{ S04 = true }", "{ S04 = [] }"])
def test_a_malformed_table_is_an_error(tmp_path: Path, value: str) -> None:
    with pytest.raises(AcceptedError, match="ignore is a table of rules and reasons"):
        ignored(tmp_path, "", 1, pyproject=f"[tool.stanchion.check]\nignore = {value}\n")


def test_a_baseline_is_made_and_then_read(tmp_path: Path) -> None:
    path = tmp_path / "baseline.json"
    known = (finding(line=1), finding(line=8), finding(message="Another."))
    seen = finding(verdict=Verdict.disproven, message="It looked so.")
    first = without_baseline(report(*known, others=(finding(""), seen)), path)
    assert [len(result.findings) for result in first.results] == [0, 1]
    assert first.notes == ("first", f"4 findings are accepted from now on: {path} was written")
    content = json.loads(path.read_text())
    assert content["version"] == 1
    assert [(one["count"], one["finding"]) for one in content["findings"].values()] == [
        (1, "D01 GET /things It is wrong."),
        (1, "S04 main.py Another."),
        (2, "S04 main.py It is wrong."),
    ]

    again = without_baseline(report(*known, others=(finding(""), seen)), path)
    assert [len(result.findings) for result in again.results] == [0, 1]
    assert again.notes == ("first", f"4 findings are accepted by {path}")
    assert json.loads(path.read_text()) == content


def test_what_is_there_more_often_is_new(tmp_path: Path) -> None:
    path = tmp_path / "baseline.json"
    without_baseline(report(finding(line=1)), path)
    moved = without_baseline(report(finding(line=5)), path)
    assert moved.count(Verdict.proven) == 0
    more = without_baseline(report(finding(line=1), finding(line=5), others=(finding(line=1),)), path)
    assert [[one.line for one in result.findings] for result in more.results] == [[5], [1]]


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"findings": []}', '{"findings": {"a": "b"}}', '{"findings": {"a": null}}']
)
def test_a_broken_baseline_is_an_error(tmp_path: Path, text: str) -> None:
    path = tmp_path / "baseline.json"
    path.write_text(text)
    with pytest.raises(AcceptedError, match=r"baseline\.json is no baseline \(.+\): delete it"):
        without_baseline(report(finding()), path)


def test_a_baseline_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(AcceptedError, match=r"cannot be written \(No such file or directory\): name another"):
        without_baseline(report(finding()), tmp_path / "missing" / "baseline.json")
