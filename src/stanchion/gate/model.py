"""The words of the gate: rule, finding, verdict, report. Nothing here runs anything."""

import inspect
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from stanchion.gate.subject import Subject


class Verdict(StrEnum):
    """What is known of a suspicion."""

    proven = "proven"
    """It was seen to happen."""
    suspected = "suspected"
    """The text looks so."""
    disproven = "disproven"
    """It was suspected, and shown not to happen."""


class Severity(StrEnum):
    """How much it matters to whoever ships the backend."""

    critical = "critical"
    """Others read, write or take over what is not theirs; or what was acknowledged is lost."""
    major = "major"
    """Clients or operations are broken or misled."""
    minor = "minor"
    """It works, and will cost somebody time."""
    information = "information"
    """Worth knowing; it never costs points."""


class Kind(StrEnum):
    """How a rule comes to know."""

    static = "static"
    """It reads the source, the document and the dependency tree."""
    live = "live"
    """It asks the running app."""
    instrumented = "instrumented"
    """It watches the app from inside while it is asked."""


class Line(StrEnum):
    """The lines of the checklist, in order; the text before the colon is the section."""

    entry = "Output: main.py with app, CORS and lifespan"
    database = "Output: engine and session dependency"
    tables = "Output: tables"
    schemas = "Output: schemas"
    routers = "Output: routers/"
    env_untracked = "Output: .env untracked"
    env_example = "Output: .env.example committed"
    docs = "Output: /docs"
    statuses = "Quality: proper statuses"
    details = "Quality: 422 with details"
    not_found = "Quality: 404"
    cors = "Quality: CORS for the frontend's origin"
    secrets = "Quality: no secrets in code"
    database_url = "Quality: DATABASE_URL from the environment"
    openapi = "Quality: OpenAPI accurate and complete"
    crud = "Quality: all CRUD operations exercised"
    rest = "API design: REST conventions"
    response_models = "API design: response models"
    errors = "API design: consistent errors"
    documentation = "API design: complete documentation"
    authentication = "Security: authentication on protected endpoints"
    keys = "Security: keys validated"
    origins = "Security: CORS"
    environment = "Security: secrets in the environment"
    blocking = "Performance: nothing blocks async code"
    pooled = "Performance: connections pooled"
    streams = "Performance: streams unbuffered"
    queries = "Performance: no N+1"
    types = "Code: type hints everywhere"
    inputs = "Code: Pydantic on all inputs"
    exceptions = "Code: exceptions handled"
    events = "Code: key events logged"
    isolation = "Code: testable in isolation"

    @property
    def section(self) -> str:
        """Return `Security` of `Security: CORS`."""
        return self.value.partition(": ")[0]

    @property
    def text(self) -> str:
        """Return `CORS` of `Security: CORS`."""
        return self.value.partition(": ")[2]


class NotChecked(Exception):  # noqa: N818 (it is no error: a rule that could not run says why)
    """A rule could not run: the reason, for the report. It never reads as a pass.

    `applies` is False where there is nothing that the rule is about: an app without a stream.
    """

    def __init__(self, reason: str, *, applies: bool = True) -> None:
        super().__init__(reason)
        self.reason = reason
        self.applies = applies


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that is wrong, in one place, with what shows it.

    `message` is a sentence; `operation` is `POST /api/todos`; `file` is relative to the project;
    `evidence` is the exchange, the source line or the figure; `curl` shows it again; `advice`
    says what to do.
    """

    message: str
    verdict: Verdict
    operation: str = ""
    file: str = ""
    line: int = 0
    evidence: str = ""
    curl: str = ""
    advice: str = ""


@dataclass(frozen=True, slots=True)
class Rule:
    """Something that a backend must keep. Made by `rule(...)` on the function that checks it."""

    id: str
    title: str
    severity: Severity
    kind: Kind
    line: Line
    check: "Callable[[Subject], Iterable[Finding]]" = field(repr=False, compare=False)
    page: str = field(repr=False, compare=False)
    """Markdown: What it does, Why it is bad, Example, Use instead."""
    turn: int = 0
    """Those with a higher number run later: they leave the app's data in disorder, or judge what was seen."""
    also: tuple[Line, ...] = ()
    """Other lines that it has a say in."""


def rule(
    id: str,
    title: str,
    *,
    severity: Severity,
    kind: Kind,
    line: Line,
    turn: int = 0,
    also: tuple[Line, ...] = (),
) -> "Callable[[Callable[[Subject], Iterable[Finding]]], Rule]":
    """Make a rule of the function below; the docstring of its module is the rule's page."""

    def make(check: "Callable[[Subject], Iterable[Finding]]") -> Rule:
        page = inspect.getdoc(inspect.getmodule(check)) or ""
        return Rule(id, title, severity, kind, line, check, page, turn, also)

    return make


@dataclass(frozen=True, slots=True)
class Result:
    """What one rule came to. `reason` is set where it could not run."""

    rule: Rule
    findings: tuple[Finding, ...] = ()
    reason: str = ""
    applies: bool = True

    @property
    def verified(self) -> bool:
        """Tell whether the rule ran."""
        return not self.reason

    def count(self, verdict: Verdict) -> int:
        """Return how many findings have this verdict."""
        return sum(finding.verdict is verdict for finding in self.findings)


@dataclass(frozen=True, slots=True)
class Exercised:
    """An operation, and the first status of each kind that it was seen to answer; 0 where none was."""

    operation: str
    succeeded: int = 0
    refused: int = 0
    why: str = ""
    """Why one is missing; empty where nothing is."""


_COST = {Severity.critical: 25, Severity.major: 8, Severity.minor: 3, Severity.information: 0}
_CAP = 49


@dataclass(frozen=True, slots=True)
class Report:
    """What the gate found: a result for each rule."""

    target: str
    results: tuple[Result, ...]
    seconds: float = 0.0
    notes: tuple[str, ...] = ()
    """What was done to make the app run: tables made, a key found."""
    error: str = ""
    """Why the app never ran: `cannot be imported: ...` or `does not start: ...`."""
    operations: tuple[Exercised, ...] = ()
    """The matrix; empty where the app was not asked."""

    @property
    def score(self) -> int | None:
        """Return 0 to 100; None where the app never ran, or no rule did.

        Each rule with a proven finding costs; a critical one leaves at most 49.
        """
        if self.error or not self.verified:
            return None
        broken = {result.rule for result in self.results if result.count(Verdict.proven)}
        left = 100 - sum(_COST[rule.severity] for rule in broken)
        if any(rule.severity is Severity.critical for rule in broken):
            left = min(left, _CAP)
        return max(left, 0)

    @property
    def verified(self) -> float:
        """Return which part of the rules that apply ran, 0 to 1."""
        applying = [result for result in self.results if result.applies]
        return sum(result.verified for result in applying) / len(applying) if applying else 0.0

    def count(self, verdict: Verdict) -> int:
        """Return how many findings have this verdict."""
        return sum(result.count(verdict) for result in self.results)
