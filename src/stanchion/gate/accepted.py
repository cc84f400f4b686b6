"""What a team has accepted: findings ignored for a reason, and those of the day that a baseline was made."""

import json
import re
import tomllib
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from stanchion.gate.model import Finding, Report, Result, Verdict
from stanchion.gate.report.findings import fingerprint
from stanchion.gate.source import Source

_COMMENT = re.compile(r"#\s*stanchion:\s*ignore\[([A-Z]\d\d(?:\s*,\s*[A-Z]\d\d)*)\]\s*(.*)")


class AcceptedError(Exception):
    """A baseline or a list of ignored rules cannot be used; the message says what to do."""


def without_ignored(report: Report, source: Source) -> Report:
    """Return the report without what the source or pyproject.toml ignores, each with its reason in the notes.

    `# stanchion: ignore[S04] reason` stands on the line or the one above it. What gives no
    reason ignores nothing, and the notes say so.
    """
    everywhere = _configured(source)
    lines = {module.path: module.lines for module in source.modules}
    notes: list[str] = []

    def kept(result: Result, finding: Finding) -> bool:
        place = f"{finding.file}:{finding.line}" if finding.file else finding.operation
        reason = everywhere.get(result.rule.id)
        if reason is None:
            reason = _commented(result.rule.id, lines.get(finding.file, ()), finding.line)
        if reason is None:
            return True
        if not reason.strip():
            notes.append(f"{result.rule.id} at {place} is not ignored: the comment gives no reason")
            return True
        notes.append(f"{result.rule.id} at {place} is ignored: {reason.strip()}")
        return False

    results = tuple(
        replace(result, findings=tuple(one for one in result.findings if kept(result, one)))
        for result in report.results
    )
    return replace(report, results=results, notes=(*report.notes, *notes))


def without_baseline(report: Report, path: Path) -> Report:
    """Return the report without the findings of the baseline; where there is no such file, make it of them.

    A finding that is there twice is accepted as often as the baseline counts it.
    """
    if not path.exists():
        counted = Counter(
            fingerprint(result.rule, one)
            for result in report.results
            for one in result.findings
            if one.verdict is not Verdict.disproven
        )
        text = json.dumps({"version": 1, "findings": counted}, indent=2, sort_keys=True) + "\n"
        try:
            path.write_text(text, encoding="utf-8")
        except OSError as exc:
            raise AcceptedError(f"{path} cannot be written ({exc.strerror}): name another.") from exc
        left: Counter[str] = counted.copy()
        note = f"{counted.total()} findings are accepted from now on: {path} was written"
    else:
        left = _read(path)
        note = f"{left.total()} findings are accepted by {path}"

    def new(result: Result, finding: Finding) -> bool:
        mark = fingerprint(result.rule, finding)
        if left[mark] > 0:
            left[mark] -= 1
            return False
        return True

    results = tuple(
        replace(result, findings=tuple(one for one in result.findings if new(result, one)))
        for result in report.results
    )
    return replace(report, results=results, notes=(*report.notes, note))


def _read(path: Path) -> Counter[str]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return Counter({str(mark): int(number) for mark, number in content["findings"].items()})
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as exc:
        raise AcceptedError(f"{path} is no baseline ({exc}): delete it, and it is made again.") from exc


def _configured(source: Source) -> Mapping[str, str]:
    try:
        content = tomllib.loads(source.read("pyproject.toml") or "")
    except tomllib.TOMLDecodeError:
        return {}  # the project's finder has said so
    found: Any = content
    for name in ("tool", "stanchion", "check", "ignore"):
        found = found.get(name, {}) if isinstance(found, dict) else {}
    if not isinstance(found, dict) or not all(isinstance(reason, str) for reason in found.values()):
        raise AcceptedError('[tool.stanchion.check] ignore is a table of rules and reasons: S04 = "why".')
    return found


def _commented(rule: str, lines: "list[str] | tuple[str, ...]", number: int) -> str | None:
    for at in (number, number - 1):
        found = _COMMENT.search(lines[at - 1]) if 0 < at <= len(lines) else None
        if found and rule in re.split(r"\s*,\s*", found[1]):
            return found[2]
    return None
