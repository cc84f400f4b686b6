"""The checklist gives each line one verdict, and a rule that could not run never reads as a pass."""

from dataclasses import replace

import pytest
from tests.gate.report.samples import DISPROVEN, EMPTY, FULL, PROVEN, SUSPECTED, make_rule

from stanchion.gate import Line, Report, Result, Severity
from stanchion.gate.report import Entry, State, checklist, unchecked
from stanchion.gate.report.checklist import sections, unruled

A, B = make_rule("A01", Line.keys), make_rule("A02", Line.keys)
NOTE = make_rule("A03", Line.keys, Severity.information)
RAN, MISSED = Result(A), Result(B, reason="no app")
ABSENT = Result(B, reason="no stream", applies=False)


@pytest.mark.parametrize(
    ("results", "state", "reasons", "detail"),
    [
        ([], State.not_checked, ("no rule yet",), "not checked: no rule yet"),
        ([RAN], State.passed, (), "passed"),
        ([Result(A, (DISPROVEN,))], State.passed, (), "passed"),
        ([RAN, ABSENT], State.passed, (), "passed"),
        ([RAN, Result(NOTE, (SUSPECTED,))], State.noted, (), "noted: A03"),
        ([RAN, Result(NOTE, (DISPROVEN,))], State.passed, (), "passed"),
        ([MISSED, Result(NOTE, (SUSPECTED,))], State.partly, ("no app",), "partly: 1 of 2 rules not run"),
        ([RAN, MISSED], State.partly, ("no app",), "partly: 1 of 2 rules not run"),
        ([MISSED], State.not_checked, ("no app",), "not checked: A02"),
        ([MISSED, ABSENT], State.not_checked, ("no app",), "not checked: A02"),
        ([Result(A, reason="no app"), MISSED], State.not_checked, ("no app",), "not checked: A01, A02"),
        ([ABSENT], State.nothing, ("no stream",), "nothing to check"),
        ([Result(A, (SUSPECTED,))], State.suspected, (), "suspected: A01"),
        (
            [Result(A, (SUSPECTED, PROVEN)), Result(B)],
            State.proven,
            (),
            "proven: A01; suspected: A01",
        ),
        (
            [Result(A, (PROVEN,)), MISSED],
            State.proven,
            ("no app",),
            "proven: A01; 1 of 2 rules not run",
        ),
    ],
)
def test_a_line_has_one_verdict(
    results: list[Result], state: State, reasons: tuple[str, ...], detail: str
) -> None:
    entry = Entry(Line.keys, tuple(results))
    assert (entry.state, entry.reasons, entry.detail) == (state, reasons, detail)


def test_every_line_is_there_in_order() -> None:
    entries = checklist(FULL)
    assert [entry.line for entry in entries] == list(Line)
    states = {entry.line: entry.state for entry in entries}
    assert states[Line.authentication] is State.proven
    assert states[Line.keys] is State.suspected
    assert states[Line.rest] is State.passed
    assert states[Line.queries] is State.partly
    assert states[Line.pooled] is State.not_checked
    assert states[Line.streams] is State.nothing
    assert states[Line.types] is State.not_checked


def test_an_empty_report_passes_nothing() -> None:
    assert {entry.state for entry in checklist(EMPTY)} == {State.not_checked}
    assert unruled(EMPTY) == list(Line)
    assert unchecked(EMPTY) == {}


def test_lines_are_grouped_by_section() -> None:
    grouped = sections(checklist(EMPTY))
    assert list(grouped) == ["Output", "Quality", "API design", "Security", "Performance", "Code"]
    assert [entry.line for entries in grouped.values() for entry in entries] == list(Line)


def test_rules_that_did_not_run_are_grouped_by_the_reason() -> None:
    missed = unchecked(FULL)
    assert {reason: [rule.id for rule in rules] for reason, rules in missed.items()} == {
        "the database <b>did not</b> answer": ["D01", "D02"]
    }
    assert list(unchecked(FULL, applies=False)) == ["there is no stream"]
    assert Line.pooled not in unruled(FULL)


def test_the_order_of_the_rules_is_kept() -> None:
    report = Report("x", (Result(B), Result(A)))
    (entry,) = [entry for entry in checklist(report) if entry.results]
    assert [result.rule.id for result in entry.results] == ["A02", "A01"]


def test_a_rule_may_have_a_say_in_more_lines_than_its_own() -> None:
    rule = replace(A, also=(Line.environment,))
    found = {entry.line for entry in checklist(Report("shop", (Result(rule),))) if entry.results}
    assert found == {Line.keys, Line.environment}
