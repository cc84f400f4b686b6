"""The findings: grouped by rule, the most severe first, and each with a fingerprint."""

import hashlib
import re
from dataclasses import dataclass

from stanchion.gate.model import Finding, Report, Rule, Severity, Verdict

_SEVERITIES = list(Severity)
_VERDICTS = list(Verdict)
_LINE_NUMBER = re.compile(r"\b(lines?) \d+(?:(?:, | and | to |-)\d+)*|(?<=\w):\d+\b")


@dataclass(frozen=True, slots=True)
class Group:
    """The findings of one rule, what is proven first."""

    rule: Rule
    findings: tuple[Finding, ...]

    @property
    def verdict(self) -> Verdict:
        """Return the strongest verdict among them."""
        return self.findings[0].verdict


def groups(report: Report, *verdicts: Verdict) -> list[Group]:
    """Return the findings with these verdicts (proven and suspected where none is named), by rule."""
    wanted = verdicts or (Verdict.proven, Verdict.suspected)
    found = []
    for result in report.results:
        findings = [finding for finding in result.findings if finding.verdict in wanted]
        if findings:
            findings.sort(key=lambda finding: _VERDICTS.index(finding.verdict))
            found.append(Group(result.rule, tuple(findings)))
    return sorted(
        found,
        key=lambda group: (
            _SEVERITIES.index(group.rule.severity),
            _VERDICTS.index(group.verdict),
            group.rule.id,
        ),
    )


def fingerprint(rule: Rule, finding: Finding) -> str:
    """Return what tells the finding from others and stays when lines move: for baselines.

    It is of the rule, the operation, the file and the message without line numbers; so two findings
    that differ in the line only share it.
    """
    message = _LINE_NUMBER.sub(r"\1", finding.message)
    parts = "\0".join((rule.id, finding.operation, finding.file, message))
    return hashlib.sha256(parts.encode("utf-8", "backslashreplace")).hexdigest()[:32]
