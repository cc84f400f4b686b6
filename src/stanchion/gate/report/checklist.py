"""The checklist: what the rules of each line came to, and one verdict for the line."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from stanchion.gate.model import Line, Report, Result, Rule, Severity, Verdict

_NO_RULE = "no rule yet"


class State(StrEnum):
    """What is known of a line."""

    proven = "proven"
    """Something wrong was seen."""
    suspected = "suspected"
    """Something looks wrong."""
    passed = "passed"
    """Every rule that applies ran, and found nothing."""
    noted = "noted"
    """Every rule that applies ran, and there is something to know that is no fault."""
    partly = "partly"
    """Those rules that ran found nothing, and some could not run."""
    not_checked = "not checked"
    """No rule ran."""
    nothing = "nothing to check"
    """No rule applies."""


_MARKS = {State.passed: "✓", State.proven: "✗", State.suspected: "?"}
NO_MARK = "–"  # noqa: RUF001 (a dash that is as wide as the other marks)


def mark(state: State) -> str:
    """Return the sign of a verdict, of one column."""
    return _MARKS.get(state, NO_MARK)


@dataclass(frozen=True, slots=True)
class Entry:
    """A line of the checklist, with the results of its rules."""

    line: Line
    results: tuple[Result, ...]

    @property
    def applying(self) -> tuple[Result, ...]:
        """Return the results of the rules that apply."""
        return tuple(result for result in self.results if result.applies)

    @property
    def missed(self) -> tuple[Result, ...]:
        """Return the results of the rules that apply and could not run."""
        return tuple(result for result in self.applying if not result.verified)

    @property
    def state(self) -> State:
        """Return the verdict. A rule that could not run never reads as a pass."""
        if self.ids(Verdict.proven):
            return State.proven
        if self.ids(Verdict.suspected):
            return State.suspected
        if not self.results:
            return State.not_checked
        if not self.applying:
            return State.nothing
        if not self.missed:
            return State.noted if self._noted else State.passed
        return State.not_checked if len(self.missed) == len(self.applying) else State.partly

    @property
    def reasons(self) -> tuple[str, ...]:
        """Return why rules did not run, each reason once. Where all ran there is none."""
        if not self.results:
            return (_NO_RULE,)
        of = self.missed if self.applying else self.results
        return tuple(dict.fromkeys(result.reason for result in of))

    @property
    def detail(self) -> str:
        """Return the verdict with the rules behind it: `proven: S04; 1 of 3 rules not run`."""
        state = self.state
        if state is State.not_checked:
            return f"{state}: {', '.join(result.rule.id for result in self.missed) or _NO_RULE}"
        if state is State.partly:
            return f"{state}: {self._not_run()}"
        if state is State.noted:
            return f"{state}: {', '.join(self._noted)}"
        parts = [
            f"{verdict}: {', '.join(ids)}"
            for verdict in (Verdict.proven, Verdict.suspected)
            if (ids := self.ids(verdict))
        ]
        if parts and self.missed:
            parts.append(self._not_run())
        return "; ".join(parts) or state.value

    @property
    def _noted(self) -> list[str]:
        """Return the ids of the rules that found what is for information."""
        return [
            result.rule.id
            for result in self.results
            if result.rule.severity is Severity.information
            and any(finding.verdict is not Verdict.disproven for finding in result.findings)
        ]

    def ids(self, verdict: Verdict) -> list[str]:
        """Return the ids of the rules with a finding of this verdict; what is for information is no fault."""
        return [
            result.rule.id
            for result in self.results
            if result.rule.severity is not Severity.information and result.count(verdict)
        ]

    def _not_run(self) -> str:
        count = len(self.applying)
        return f"{len(self.missed)} of {count} {'rule' if count == 1 else 'rules'} not run"


def checklist(report: Report) -> tuple[Entry, ...]:
    """Return every line of the checklist, in order."""
    return tuple(
        Entry(line, tuple(one for one in report.results if line in (one.rule.line, *one.rule.also)))
        for line in Line
    )


def sections(entries: Iterable[Entry]) -> dict[str, list[Entry]]:
    """Group lines by their section, both in order."""
    found: dict[str, list[Entry]] = {}
    for entry in entries:
        found.setdefault(entry.line.section, []).append(entry)
    return found


def unchecked(report: Report, *, applies: bool = True) -> dict[str, list[Rule]]:
    """Group the rules that could not run by the reason; with `applies=False`, those that do not apply."""
    found: dict[str, list[Rule]] = {}
    for result in report.results:
        if not result.verified and result.applies is applies:
            found.setdefault(result.reason, []).append(result.rule)
    return found


def unruled(report: Report) -> list[Line]:
    """Return the lines that no rule is about."""
    return [entry.line for entry in checklist(report) if not entry.results]
