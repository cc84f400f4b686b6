"""What a team has accepted: findings ignored for a reason, and those of the day that a baseline was made."""

import json
import re
import tomllib
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from stanchion.gate.model import Finding, Report, Result, Rule, Verdict
from stanchion.gate.report.findings import fingerprint
from stanchion.gate.report.text import visible
from stanchion.gate.rules import all_rules
from stanchion.gate.source import Source

_COMMENT = re.compile(r"#\s*stanchion:\s*ignore\b(?:\[([^\]]*)\])?\s*(.*)")


class AcceptedError(Exception):
    """A baseline or a list of ignored rules cannot be used; the message says what to do."""


@dataclass(frozen=True)
class _Comment:
    """`# stanchion: ignore[S04] reason` on a line; without a place, a rule that pyproject.toml ignores."""

    rules: tuple[str, ...]
    reason: str
    file: str = ""
    line: int = 0

    @property
    def place(self) -> str:
        """Return `main.py:12`, or where the table is."""
        return f"{self.file}:{self.line}" if self.file else "pyproject.toml"

    def is_about(self, rule: Rule, finding: Finding) -> bool:
        """Tell whether the rule is named, and the finding on this line or the one below."""
        if rule.id not in self.rules:
            return False
        return not self.file or (self.file == finding.file and finding.line in (self.line, self.line + 1))


def without_ignored(report: Report, source: Source) -> Report:
    """Return the report without what the source or pyproject.toml ignores, each with its reason in the notes.

    `# stanchion: ignore[S04] reason` stands on the line or the one above it. What gives no
    reason ignores nothing, and the notes say so; so they do of a comment that names no rule, or
    one that has run and found nothing there.
    """
    comments = [*_configured(source), *_commented(source)]
    used: set[tuple[str, _Comment]] = set()
    notes: list[str] = []

    def kept(rule: Rule, finding: Finding) -> bool:
        comment = next((one for one in comments if one.is_about(rule, finding)), None)
        if comment is None:
            return True
        used.add((rule.id, comment))
        place = f"{finding.file}:{finding.line}" if finding.file else finding.operation
        if not comment.reason:
            notes.append(f"{rule.id} at {place} is not ignored: {comment.place} gives no reason")
            return True
        notes.append(f"{rule.id} at {place} is ignored: {comment.reason}")
        return False

    results = tuple(
        replace(result, findings=tuple(one for one in result.findings if kept(result.rule, one)))
        for result in report.results
    )
    idle = _idle(comments, used, report)
    return replace(report, results=results, notes=(*report.notes, *notes, *idle))


def _idle(
    comments: Iterable[_Comment], used: Collection[tuple[str, _Comment]], report: Report
) -> Iterator[str]:
    """Say which comments do nothing; one for a rule that did not run may be needed another time."""
    ran = {result.rule.id: result.verified for result in report.results}
    known = {rule.id for rule in all_rules()}
    for comment in comments:
        if not comment.rules:
            yield f"{comment.place} ignores nothing: name the rule, as in ignore[S04], and the reason"
        for rule in comment.rules:
            if rule not in known:
                yield f"{comment.place} ignores nothing: there is no rule {rule}"
            elif ran.get(rule) and (rule, comment) not in used:
                yield f"{comment.place} ignores {rule}, which finds nothing there: take it out"


def without_baseline(report: Report, path: Path) -> Report:
    """Return the report without the findings of the baseline; where there is no such file, make it of them.

    A finding that is there twice is accepted as often as the baseline counts it.
    """
    if not path.exists():
        found = [
            (result.rule, one)
            for result in report.results
            for one in result.findings
            if one.verdict is not Verdict.disproven
        ]
        counted = Counter(fingerprint(*one) for one in found)
        told = {fingerprint(*one): _told(*one) for one in found}
        content = {
            "version": 1,
            "findings": {
                mark: {"count": counted[mark], "finding": told[mark]}
                for mark in sorted(told, key=told.__getitem__)
            },
        }
        text = json.dumps(content, indent=2, ensure_ascii=False) + "\n"
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
        return Counter({str(mark): int(one["count"]) for mark, one in content["findings"].items()})
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as exc:
        raise AcceptedError(f"{path} is no baseline ({exc}): delete it, and it is made again.") from exc


def _told(rule: Rule, finding: Finding) -> str:
    """Return a finding in a line, for who reads the baseline. What is compared is the fingerprint."""
    where = finding.operation or finding.file
    return visible(" ".join(filter(None, (rule.id, where, finding.message))))


def _configured(source: Source) -> list[_Comment]:
    try:
        content = tomllib.loads(source.read("pyproject.toml") or "")
    except tomllib.TOMLDecodeError:
        return []  # the project's finder has said so
    found: Any = content
    for name in ("tool", "stanchion", "check", "ignore"):
        found = found.get(name, {}) if isinstance(found, dict) else {}
    if not isinstance(found, dict) or not all(isinstance(reason, str) for reason in found.values()):
        raise AcceptedError('[tool.stanchion.check] ignore is a table of rules and reasons: S04 = "why".')
    return [_Comment((rule,), reason.strip()) for rule, reason in found.items()]


def _commented(source: Source) -> Iterator[_Comment]:
    for module in source.modules:
        for number, line in enumerate(module.lines, 1):
            if found := _COMMENT.search(line):
                rules = tuple(re.findall(r"[^\s,]+", found[1] or ""))
                yield _Comment(rules, found[2].strip(), module.path, number)
