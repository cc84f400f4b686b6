"""The report as SARIF 2.1.0: for code scanning and editors."""

import json
from typing import Any
from urllib.parse import quote

from stanchion import __version__
from stanchion.gate.model import Finding, Report, Rule, Severity
from stanchion.gate.report.findings import fingerprint, groups
from stanchion.gate.report.text import visible

_SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
_ROOT = "%SRCROOT%"
_LEVELS = {
    Severity.critical: "error",
    Severity.major: "error",
    Severity.minor: "warning",
    Severity.information: "note",
}
_SECURITY = {
    Severity.critical: "9.0",
    Severity.major: "7.0",
    Severity.minor: "4.0",
    Severity.information: "0.0",
}
"""GitHub's `security-severity`, for the rules of the section Security."""

_Object = dict[str, Any]


def to_sarif(report: Report) -> str:
    """Return the report as SARIF: what is proven or suspected, and which rules could not run."""
    rules = [result.rule for result in report.results]
    indices = {rule.id: index for index, rule in enumerate(rules)}
    run = {
        "tool": {
            "driver": {
                "name": "stanchion",
                "version": __version__,
                "rules": [_rule(rule) for rule in rules],
            }
        },
        "invocations": [
            {
                "executionSuccessful": not report.error,
                "toolExecutionNotifications": [
                    *_failed(report),
                    *(
                        {
                            "level": "warning" if result.applies else "none",
                            "message": {"text": f"{result.rule.id} did not run: {visible(result.reason)}"},
                            "associatedRule": {"id": result.rule.id, "index": indices[result.rule.id]},
                        }
                        for result in report.results
                        if not result.verified
                    ),
                ],
            }
        ],
        "originalUriBaseIds": {_ROOT: {"description": {"text": "The root of the project."}}},
        "columnKind": "unicodeCodePoints",
        "results": [
            _result(group.rule, indices[group.rule.id], finding)
            for group in groups(report)
            for finding in group.findings
        ],
        "properties": {
            "target": visible(report.target),
            "score": report.score,
            "verified": round(report.verified, 4),
            "notes": [visible(note) for note in report.notes],
        },
    }
    return json.dumps({"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]}, indent=2) + "\n"


def _failed(report: Report) -> list[_Object]:
    """Return why the app never ran."""
    if not report.error:
        return []
    return [{"level": "error", "message": {"text": f"The app {visible(report.error)}."}}]


def _rule(rule: Rule) -> _Object:
    section = rule.line.section
    properties: _Object = {"tags": [section.lower(), rule.kind.value, rule.severity.value]}
    if section == "Security":
        properties["security-severity"] = _SECURITY[rule.severity]
    return {
        "id": rule.id,
        "shortDescription": {"text": rule.title},
        "fullDescription": {"text": f"{rule.line.value}: {rule.title}"},
        "help": {"text": rule.page, "markdown": rule.page},
        "defaultConfiguration": {"level": _LEVELS[rule.severity]},
        "properties": properties,
    }


def _result(rule: Rule, index: int, finding: Finding) -> _Object:
    said = {name: visible(getattr(finding, name)) for name in ("operation", "evidence", "curl", "advice")}
    location = _location(finding)
    return {
        "ruleId": rule.id,
        "ruleIndex": index,
        "level": _LEVELS[rule.severity],
        "message": {"text": " ".join(filter(None, (visible(finding.message), said["advice"])))},
        **({"locations": [location]} if location else {}),
        "partialFingerprints": {"stanchion/v1": fingerprint(rule, finding)},
        "properties": {
            "verdict": finding.verdict.value,
            **{name: text for name, text in said.items() if text},
        },
    }


def _location(finding: Finding) -> _Object:
    location: _Object = {}
    if finding.file:
        path = finding.file.replace("\\", "/").encode("utf-8", "backslashreplace")
        physical: _Object = {"artifactLocation": {"uri": quote(path), "uriBaseId": _ROOT}}
        if finding.line > 0:
            physical["region"] = {"startLine": finding.line}
        location["physicalLocation"] = physical
    if finding.operation:
        location["logicalLocations"] = [
            {"fullyQualifiedName": visible(finding.operation), "kind": "resource"}
        ]
    return location
