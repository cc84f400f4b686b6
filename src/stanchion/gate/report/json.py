"""The report as JSON: for scripts and baselines."""

import json
from dataclasses import asdict
from typing import Any

from stanchion import __version__
from stanchion.gate.model import Finding, Report, Result, Rule
from stanchion.gate.report.checklist import Entry, checklist
from stanchion.gate.report.findings import fingerprint


def to_json(report: Report) -> str:
    """Return the report as JSON, in ASCII. Keys are added over time, and none is renamed.

    - `version`: of Stanchion; `target`: what was checked; `notes`: what was done to make it run;
      `error`: why the app never ran (`cannot be imported: ...`, `does not start: ...`), or empty.
    - `score`: 0 to 100, or null where the app never ran or no rule did; `verified`: which part of the
      rules that apply ran, 0 to 1; `seconds`.
    - `checklist`: every line in order: `line` (its name), `section`, `text`, `verdict` (proven,
      suspected, passed, noted, partly, not checked, nothing to check), `rules` (ids), `reasons` (why some did
      not run).
    - `operations`: the matrix: `operation`, `succeeded` and `refused` (the first status of each kind
      that was seen, 0 where none was), `why` (why one is missing).
    - `results`: for each rule `rule` (its id), `title`, `severity`, `kind`, `line`, `verified`,
      `applies`, `reason` and `findings`.
    - A finding has `verdict` (proven, suspected, disproven), `message`, `operation`, `file`, `line`,
      `evidence`, `curl`, `advice` (each empty or 0 where there is none) and `fingerprint`, which stays
      when lines move.
    """
    content = {
        "version": __version__,
        "target": report.target,
        "score": report.score,
        "verified": round(report.verified, 4),
        "seconds": round(report.seconds, 3),
        "notes": list(report.notes),
        "error": report.error,
        "checklist": [_entry(entry) for entry in checklist(report)],
        "operations": [asdict(row) for row in report.operations],
        "results": [_result(result) for result in report.results],
    }
    return json.dumps(content, indent=2) + "\n"


def _entry(entry: Entry) -> dict[str, Any]:
    return {
        "line": entry.line.name,
        "section": entry.line.section,
        "text": entry.line.text,
        "verdict": entry.state.value,
        "rules": [result.rule.id for result in entry.results],
        "reasons": list(entry.reasons),
    }


def _result(result: Result) -> dict[str, Any]:
    rule = result.rule
    return {
        "rule": rule.id,
        "title": rule.title,
        "severity": rule.severity.value,
        "kind": rule.kind.value,
        "line": rule.line.name,
        "verified": result.verified,
        "applies": result.applies,
        "reason": result.reason,
        "findings": [_finding(rule, finding) for finding in result.findings],
    }


def _finding(rule: Rule, finding: Finding) -> dict[str, Any]:
    return {
        "verdict": finding.verdict.value,
        "message": finding.message,
        "operation": finding.operation,
        "file": finding.file,
        "line": finding.line,
        "evidence": finding.evidence,
        "curl": finding.curl,
        "advice": finding.advice,
        "fingerprint": fingerprint(rule, finding),
    }
