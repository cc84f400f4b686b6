"""The report in the terminal: the checklist, the findings, what was not checked, and the score."""

from itertools import pairwise

from rich.console import Console
from rich.text import Text

from stanchion.gate.model import Exercised, Finding, Report, Rule, Severity
from stanchion.gate.report.checklist import (
    NO_MARK,
    Entry,
    State,
    checklist,
    mark,
    sections,
    unchecked,
    unruled,
)
from stanchion.gate.report.findings import Group, groups
from stanchion.gate.report.text import cut, doubt, exercised, place, summary, visible

_ASCII = {"✓": "+", "✗": "x", "?": "?", NO_MARK: "-"}
_STYLES = {State.passed: "green", State.proven: "bold red", State.suspected: "yellow"}
_SEVERITIES = {Severity.critical: "bold red", Severity.major: "red", Severity.minor: "yellow"}
_COLUMN = 2 + max(len(entry.line.text) for entry in checklist(Report("", ())))
_MOST = 10
"""How many findings of a rule are shown."""
_NAMED = 6
"""Up to how many rules are named by their titles."""


def render(report: Report, console: Console) -> None:
    """Print the report. Nothing in it is read as markup, and nothing of it acts on the terminal."""
    _Page(console).report(report)


class _Page:
    def __init__(self, console: Console) -> None:
        self._console = console
        self._encoding = console.encoding

    def report(self, report: Report) -> None:
        self._write(Text.assemble(("stanchion check ", "bold"), self._clean(report.target)))
        for note in report.notes:
            self._block(note, indent=2, style="dim")
        for name, entries in sections(checklist(report)).items():
            self._heading(name)
            for entry in entries:
                self._entry(entry)
        self._operations(report.operations)
        found = groups(report)
        if found:
            self._heading("Findings")
            for index, group in enumerate(found):
                if index:
                    self._write()
                self._group(group)
        self._missing(report)
        self._write()
        if warning := doubt(report):
            self._block(warning, style="bold red")
        self._write(Text(summary(report), "bold"))

    def _entry(self, entry: Entry) -> None:
        state = entry.state
        style = _STYLES.get(state, "dim")
        said = "" if state is State.passed else entry.detail
        sign = Text(f"  {self._mark(state)} ", style)
        if not said:
            self._write(sign, entry.line.text)
        elif self._console.width < _COLUMN + 24:
            self._write(sign, entry.line.text)
            self._block(said, indent=6, style=style)
        else:
            first, *rest = self._wrapped(said, self._console.width - _COLUMN - 4, style)
            self._write(sign, entry.line.text.ljust(_COLUMN), first)
            for line in rest:
                self._write(" " * (_COLUMN + 4), line)

    def _operations(self, operations: tuple[Exercised, ...]) -> None:
        if not operations:
            return
        self._heading("Operations")
        self._block(exercised(operations), indent=2)
        for row in [row for row in operations if row.why][:_MOST]:
            self._block(f"{row.operation}: {row.why}", indent=2, style="dim")

    def _group(self, group: Group) -> None:
        rule = group.rule
        severity = Text(rule.severity.value, _SEVERITIES.get(rule.severity, "dim"))
        sign = Text(self._mark(State(group.verdict)), _STYLES[State(group.verdict)])
        self._write(sign, " ", Text(rule.id, "bold"), " ", severity)
        self._block(rule.title, indent=2, style="bold")
        shown = group.findings[:_MOST]
        for finding, following in pairwise((*shown, None)):
            assert finding is not None
            repeated = following is not None and following.advice == finding.advice
            self._finding(finding, advice="" if repeated else finding.advice)
        if len(group.findings) > _MOST:
            left = len(group.findings) - _MOST
            self._block(
                f"… and {left} more of {rule.id}; the JSON report has them all", indent=2, style="dim"
            )
        self._write("  ", Text(f"stanchion check explain {rule.id}", "dim"))

    def _finding(self, finding: Finding, advice: str) -> None:
        where = [finding.operation, place(finding)]
        self._write()
        self._write(
            "  ",
            Text(finding.verdict.value, _STYLES[State(finding.verdict)]),
            *(Text(f"  {self._clean(one)}", "cyan") for one in where if one),
        )
        self._block(finding.message, indent=2)
        evidence, left = cut(finding.evidence, lines=12, characters=800)
        if evidence:
            self._block(evidence, indent=6, style="dim")
        if left:
            note = f"… {left:,} more characters; the JSON report has them all"
            self._block(note, indent=6, style="dim italic")
        if finding.curl:
            self._console.out(self._clean(finding.curl), highlight=False)
        if advice:
            self._block(advice, indent=2)

    def _missing(self, report: Report) -> None:
        missed, without = unchecked(report), unruled(report)
        if missed or without:
            self._heading("Not checked")
        for reason, rules in missed.items():
            self._block(reason, indent=2)
            self._rules(rules)
        if without:
            self._block("no rule yet", indent=2)
            self._block(f"{len(without)} of the checklist's lines: see above", indent=6, style="dim")
        beside = unchecked(report, applies=False)
        if beside:
            self._heading("Nothing to check")
        for reason, rules in beside.items():
            self._block(reason, indent=2)
            self._rules(rules)

    def _rules(self, rules: list[Rule]) -> None:
        """Name the rules: a few with their titles, many by their ids."""
        if len(rules) > _NAMED:
            self._block(", ".join(rule.id for rule in rules), indent=6, style="dim")
            return
        for rule in rules:
            self._block(f"{rule.id} {rule.title}", indent=6, style="dim")

    def _heading(self, text: str) -> None:
        self._write()
        self._write(Text(text, "bold underline" if self._console.is_terminal else "bold"))

    def _mark(self, state: State) -> str:
        sign = mark(state)
        return sign if self._clean(sign) == sign else _ASCII[sign]

    def _block(self, text: str, *, indent: int = 0, style: str = "") -> None:
        for line in self._wrapped(text, self._console.width - indent, style):
            self._write(" " * indent, line)

    def _wrapped(self, text: str, width: int, style: str) -> list[Text]:
        lines = Text(self._clean(text), style).wrap(
            self._console, max(width, 20), overflow="fold", tab_size=4
        )
        for line in lines:
            line.rstrip()
        return list(lines) or [Text()]

    def _write(self, *parts: str | Text) -> None:
        # Wrapped already where it may be: soft_wrap keeps rich from padding and from cutting.
        self._console.print(Text.assemble(*parts), soft_wrap=True, highlight=False)

    def _clean(self, text: str) -> str:
        text = visible(text).replace("…", "...") if self._encoding == "ascii" else visible(text)
        return text.encode(self._encoding, "backslashreplace").decode(self._encoding)
