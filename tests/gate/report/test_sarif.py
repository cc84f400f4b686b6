"""The SARIF keeps to the schema, and says what is wrong, where, and what was not checked."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from tests.gate.report.samples import EMPTY, FULL, PROVEN, SUSPECTED, make_rule

from stanchion.gate import Line, Report, Result, Severity
from stanchion.gate.report import fingerprint, to_json, to_sarif

# The schema of SARIF 2.1.0 by the OASIS technical committee, as SchemaStore publishes it (draft 4,
# sarif-2.1.0-rtm.5.json), unchanged from the npm package @microsoft/jest-sarif 1.0.0-beta.0, lib/schemas/
# (licence: MIT). One of its patterns has a bracket too many, which jsonschema_rs takes for no pattern.
TEXT = (Path(__file__).parents[1] / "sarif-2.1.0.json").read_text(encoding="utf-8")
SCHEMA = json.loads(TEXT.replace("-[a-zA-Z]{2}]?$", "-[a-zA-Z]{2}$"))


def run(report: Report) -> dict[str, Any]:
    """Return the only run, after the whole has been held against the schema."""
    content = json.loads(to_sarif(report))
    jsonschema_rs.validator_for(SCHEMA, validate_formats=True).validate(content)
    (only,) = content["runs"]
    return dict(only)


@pytest.mark.parametrize("report", [FULL, EMPTY], ids=["full", "empty"])
def test_it_keeps_to_the_schema(report: Report) -> None:
    assert run(report)["tool"]["driver"]["name"] == "stanchion"


def test_the_schema_sees_what_is_wrong() -> None:
    content = json.loads(to_sarif(FULL))
    content["runs"][0]["results"][0]["level"] = "severe"
    assert not jsonschema_rs.is_valid(SCHEMA, content)


def test_the_rules_have_their_pages() -> None:
    rules = run(FULL)["tool"]["driver"]["rules"]
    assert [rule["id"] for rule in rules] == [result.rule.id for result in FULL.results]
    for rule, result in zip(rules, FULL.results, strict=True):
        assert rule["help"]["markdown"] == result.rule.page
        assert rule["shortDescription"]["text"] == result.rule.title
    severities = {rule["id"]: rule["properties"].get("security-severity") for rule in rules}
    assert (severities["S01"], severities["S04"], severities["A01"]) == ("9.0", "7.0", None)


def test_the_results_are_what_is_proven_or_suspected() -> None:
    content = run(FULL)
    results = content["results"]
    assert [(one["ruleId"], one["level"]) for one in results] == [
        ("S01", "error"),
        ("S04", "error"),
        ("A01", "warning"),
    ]
    for one in results:
        assert content["tool"]["driver"]["rules"][one["ruleIndex"]]["id"] == one["ruleId"]
    first = results[0]
    assert first["message"]["text"] == "A wrong key is let in. Depend on the guard in every router."
    assert first["locations"] == [
        {
            "physicalLocation": {
                "artifactLocation": {"uri": "routers/todos.py", "uriBaseId": "%SRCROOT%"},
                "region": {"startLine": 12},
            },
            "logicalLocations": [{"fullyQualifiedName": "POST /api/todos", "kind": "resource"}],
        }
    ]
    assert first["properties"]["verdict"] == "proven"
    assert "physicalLocation" not in results[2]["locations"][0]


@pytest.mark.parametrize(
    ("severity", "level"),
    [
        (Severity.critical, "error"),
        (Severity.major, "error"),
        (Severity.minor, "warning"),
        (Severity.information, "note"),
    ],
)
def test_the_level_is_by_the_severity(severity: Severity, level: str) -> None:
    content = run(Report("x", (Result(make_rule("S01", Line.keys, severity), (PROVEN,)),)))
    assert content["results"][0]["level"] == level
    assert content["tool"]["driver"]["rules"][0]["defaultConfiguration"]["level"] == level


def test_the_fingerprints_are_those_of_the_json() -> None:
    rule = make_rule("S04", Line.keys)
    report = Report("x", (Result(rule, (SUSPECTED,)),))
    expected = fingerprint(rule, SUSPECTED)
    assert run(report)["results"][0]["partialFingerprints"] == {"stanchion/v1": expected}
    assert json.loads(to_json(report))["results"][0]["findings"][0]["fingerprint"] == expected


def test_what_was_not_checked_is_said() -> None:
    (invocation,) = run(FULL)["invocations"]
    said = invocation["toolExecutionNotifications"]
    assert [(one["associatedRule"]["id"], one["level"]) for one in said] == [
        ("D01", "warning"),
        ("D02", "warning"),
        ("E01", "none"),
    ]
    assert said[0]["message"]["text"] == "D01 did not run: the database <b>did not</b> answer"


def test_an_app_that_never_ran_is_no_success() -> None:
    assert run(FULL)["invocations"][0]["executionSuccessful"] is True
    content = run(replace(FULL, error="cannot be imported: KeyError"))
    (invocation,) = content["invocations"]
    assert invocation["executionSuccessful"] is False
    said = invocation["toolExecutionNotifications"][0]
    assert (said["level"], said["message"]["text"]) == ("error", "The app cannot be imported: KeyError.")
    assert content["properties"]["score"] is None


@pytest.mark.parametrize(
    ("file", "uri"),
    [
        ("my app/a#b?.py", "my%20app/a%23b%3F.py"),
        ("app\\main.py", "app/main.py"),
        ("größe.py", "gr%C3%B6%C3%9Fe.py"),
        ("\udcff.py", "%5Cudcff.py"),
    ],
)
def test_a_path_becomes_a_reference(file: str, uri: str) -> None:
    odd = replace(PROVEN, file=file, line=0, operation="", evidence="\ud800\x1b")
    (result,) = run(Report("x", (Result(make_rule("S01", Line.keys), (odd,)),)))["results"]
    physical = result["locations"][0]["physicalLocation"]
    assert physical == {"artifactLocation": {"uri": uri, "uriBaseId": "%SRCROOT%"}}
    assert result["properties"]["evidence"] == r"\ud800\x1b"


def test_a_finding_without_a_place_has_no_location() -> None:
    odd = replace(PROVEN, file="", line=0, operation="")
    (result,) = run(Report("x", (Result(make_rule("S01", Line.keys), (odd,)),)))["results"]
    assert "locations" not in result
