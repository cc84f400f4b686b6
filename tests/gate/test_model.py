"""The score, what was verified, and a rule made of the function that checks it."""

import textwrap
from collections.abc import Iterable

import pytest
from tests.gate.report.samples import DISPROVEN, PROVEN, SUSPECTED, make_rule

from stanchion.gate import Finding, Kind, Line, Report, Result, Severity, Verdict
from stanchion.gate.model import NotChecked, rule
from stanchion.gate.subject import Subject

CRITICAL, MAJOR, MINOR, INFORMATION = Severity


def broken(*severities: Severity, findings: tuple[Finding, ...] = (PROVEN,)) -> Report:
    """Return a report with a broken rule for each of these."""
    rules = [make_rule(f"A{number:02}", Line.keys, one) for number, one in enumerate(severities)]
    return Report("shop", tuple(Result(one, findings) for one in rules))


@pytest.mark.parametrize(
    ("severities", "score"),
    [
        ([], None),
        ([MINOR], 97),
        ([MAJOR], 92),
        ([CRITICAL], 49),
        ([INFORMATION], 100),
        ([INFORMATION, MINOR], 97),
        ([MAJOR, MAJOR, MINOR], 81),
        ([CRITICAL, MAJOR], 49),
        ([CRITICAL] * 3, 25),
        ([CRITICAL] * 5, 0),
        ([MAJOR] * 12, 4),
        ([MAJOR] * 13, 0),
    ],
)
def test_the_score(severities: list[Severity], score: int | None) -> None:
    assert broken(*severities).score == score


def test_a_rule_costs_once_and_only_what_is_proven() -> None:
    assert broken(MAJOR, findings=(PROVEN, PROVEN, SUSPECTED)).score == 92
    assert broken(CRITICAL, findings=(SUSPECTED, DISPROVEN)).score == 100


def test_what_was_verified() -> None:
    one = make_rule("A01", Line.keys)
    ran, failed = Result(one), Result(one, reason="no app")
    absent = Result(one, reason="no stream", applies=False)
    assert ran.verified
    assert not failed.verified
    assert Report("shop", (ran, failed, ran, failed)).verified == 0.5
    assert Report("shop", (ran, absent)).verified == 1.0
    assert Report("shop", (absent,)).verified == Report("shop", ()).verified == 0.0


def test_findings_are_counted() -> None:
    report = broken(MAJOR, MINOR, findings=(PROVEN, PROVEN, SUSPECTED))
    counts = [report.count(verdict) for verdict in Verdict]
    assert counts == [4, 2, 0]
    assert report.results[0].count(Verdict.proven) == 2


def test_a_rule_is_made_of_a_function() -> None:
    @rule("X01", "It is so", severity=MINOR, kind=Kind.static, line=Line.cors)
    def it_is_so(_: Subject) -> Iterable[Finding]:
        return [PROVEN]

    assert (it_is_so.id, it_is_so.title, it_is_so.severity) == ("X01", "It is so", MINOR)
    assert (it_is_so.kind, it_is_so.line) == (Kind.static, Line.cors)
    assert it_is_so.page == textwrap.dedent(__doc__ or "")
    assert list(it_is_so.check(Subject())) == [PROVEN]


def test_not_checked_has_a_reason() -> None:
    assert NotChecked("no app").reason == str(NotChecked("no app")) == "no app"
    assert (NotChecked("a").applies, NotChecked("a", applies=False).applies) == (True, False)


def test_a_line_has_a_section_and_a_text() -> None:
    assert (Line.origins.section, Line.origins.text) == ("Security", "CORS")
    assert all(line.section and line.text for line in Line)
