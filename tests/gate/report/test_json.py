"""The JSON has the keys that are documented, and fingerprints that stay when lines move."""

import json
from dataclasses import replace

import pytest
from tests.gate.report.samples import EMPTY, FULL, LONG, PROVEN, SUSPECTED, make_rule

from stanchion.gate import Line, Report
from stanchion.gate.report import fingerprint, to_json, to_sarif

RULE = make_rule("S04", Line.keys)


def test_the_keys_are_those_that_are_documented() -> None:
    content = json.loads(to_json(FULL))
    keys = "version target score verified seconds notes error checklist operations results"
    assert list(content) == keys.split()
    assert (content["score"], content["verified"], content["seconds"]) == (49, 0.7143, 4.123)
    assert content["target"] == "backends/[bold]shop[/bold]"
    assert content["notes"] == ["The tables were made in a new database."]
    assert to_json.__doc__ is not None
    for one in (
        content,
        content["checklist"][0],
        content["operations"][0],
        content["results"][0],
        content["results"][0]["findings"][0],
    ):
        assert [key for key in one if f"`{key}`" not in to_json.__doc__] == []


@pytest.mark.parametrize("report", [replace(FULL, error="cannot be imported: KeyError"), EMPTY])
def test_what_never_ran_has_no_score(report: Report) -> None:
    content = json.loads(to_json(report))
    assert "score" in content
    assert content["score"] is None
    assert json.loads(to_sarif(report))["runs"][0]["properties"]["score"] is None


def test_the_checklist_and_the_results_are_whole() -> None:
    content = json.loads(to_json(FULL))
    lines = {line["line"]: line for line in content["checklist"]}
    assert list(lines) == [line.name for line in Line]
    assert lines["queries"] == {
        "line": "queries",
        "section": "Performance",
        "text": "no N+1",
        "verdict": "partly",
        "rules": ["D02", "D03"],
        "reasons": ["the database <b>did not</b> answer"],
    }
    results = {result["rule"]: result for result in content["results"]}
    assert results["E01"]["applies"] is results["E01"]["verified"] is results["D01"]["verified"] is False
    assert results["D01"]["applies"] is results["D03"]["verified"] is True
    assert results["A01"]["findings"][0]["evidence"] == LONG
    assert [finding["verdict"] for finding in results["A02"]["findings"]] == ["disproven"]


def test_it_is_ascii_and_the_same_each_time() -> None:
    assert to_json(FULL).isascii()
    assert to_json(FULL) == to_json(FULL)
    hostile = json.loads(to_json(FULL))["results"][6]["findings"][0]["evidence"]
    assert hostile == PROVEN.evidence


def test_an_empty_report_is_whole() -> None:
    content = json.loads(to_json(EMPTY))
    assert content["results"] == []
    assert {line["verdict"] for line in content["checklist"]} == {"not checked"}


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("Compared at main.py:34.", "Compared at main.py:99."),
        ("See line 3.", "See line 40."),
        ("See lines 3 and 4.", "See lines 31 and 52."),
        ("See lines 3-5.", "See lines 7-9."),
    ],
)
def test_a_fingerprint_stays_when_lines_move(before: str, after: str) -> None:
    one = replace(SUSPECTED, message=before, line=34)
    assert fingerprint(RULE, one) == fingerprint(RULE, replace(one, message=after, line=99, evidence="x"))


def test_a_fingerprint_tells_findings_apart() -> None:
    one = replace(SUSPECTED, message="It answers 404.")
    others = [
        replace(one, message="It answers 500."),
        replace(one, file="other.py"),
        replace(one, operation="GET /"),
    ]
    prints = {fingerprint(RULE, finding) for finding in (one, *others)}
    assert len(prints | {fingerprint(make_rule("S05", Line.keys), one)}) == 5


def test_what_is_no_unicode_can_be_written() -> None:
    report = Report("\udcff", FULL.results)
    assert to_json(report).encode()
    assert len(fingerprint(RULE, replace(SUSPECTED, file="\udcff.py"))) == 32
