"""Runs the rules over a project, and makes the report."""

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager

from stanchion.gate.live import OUTSIDE, Live
from stanchion.gate.matrix import matrix
from stanchion.gate.model import Exercised, Finding, NotChecked, Report, Result, Rule, Verdict
from stanchion.gate.process import AgentError
from stanchion.gate.project import Project
from stanchion.gate.rules import all_rules
from stanchion.gate.running import Running
from stanchion.gate.sign_in import OTHERS_KEY, OWN_KEY
from stanchion.gate.site import Site
from stanchion.gate.subject import Document, Subject
from stanchion.gate.trial import Options, Trial

Progress = Callable[[Rule], None]

_USUAL = Options()
_LIMITED = "the app limits requests (429): raise its limits for the check, as by --env"


def check(
    target: Project | Site,
    *,
    rules: Iterable[Rule] | None = None,
    options: Options = _USUAL,
    progress: Progress | None = None,
) -> Report:
    """Check a project on a copy of it, or a site from outside, and return the report.

    Nothing of the project is written to; a site is, where it is this machine or somebody's own.
    """
    started = time.monotonic()
    wanted = all_rules() if rules is None else tuple(rules)
    with _in_copy(target, options) if isinstance(target, Project) else _outside(target, options) as found:
        subject, notes = found
        try:
            in_turn = sorted(wanted, key=lambda one: one.turn)
            found_by = {one.id: _result(one, subject, progress) for one in in_turn}
            results = tuple(found_by[one.id] for one in wanted)
            operations = _matrix(subject)
        finally:
            subject.close()
    name = str(target.root) if isinstance(target, Project) else target.url
    seconds = time.monotonic() - started
    entered, refused = _entry(subject)
    return Report(name, results, seconds, (*notes, *entered), subject.failure or refused, operations)


def _entry(subject: Subject) -> tuple[list[str], str]:
    """Return a note on who has asked, and what the app did not take."""
    if "running" not in vars(subject):
        return [], ""
    origin, refused = subject.running.entry
    if not origin:
        return [], refused
    others = f", {OTHERS_KEY} another user's" if subject.running.has_users else ""
    return [f"asked with {origin}: {OWN_KEY} in the curl lines is a key like it{others}"], refused


def _matrix(subject: Subject) -> tuple[Exercised, ...]:
    if "running" not in vars(subject):
        return ()  # no rule has asked it anything
    running = subject.running
    return matrix(running.document, running.live.asked)


@contextmanager
def _in_copy(project: Project, options: Options) -> Iterator[tuple[Subject, list[str]]]:
    with project.copy() as copy, ExitStack() as until_the_end:
        trial = Trial(copy, options, until_the_end)
        with trial.agent() as agent:
            subject = Subject(source=project.source, against=options.against)
            subject.load = lambda: trial.load(agent)
            subject.start = lambda document: trial.serve(agent, document)
            subject.again = trial.engines
            yield subject, trial.notes
            subject.not_started = trial.not_started


@contextmanager
def _outside(site: Site, options: Options) -> Iterator[tuple[Subject, list[str]]]:
    def start(document: Document) -> Running:
        live = Live(site.url, may_write=site.may_be_written_to)
        return Running(document, live, environment={}, key=options.key, printed=_unseen)

    read = "" if site.may_be_written_to else ", reading only"
    subject = Subject(source=site.source, fetch=site.fetch, start=start, against=options.against)
    yield subject, [f"asked from outside{read}"]


def _unseen() -> str:
    raise NotChecked(OUTSIDE)


def _result(one: Rule, subject: Subject, progress: Progress | None) -> Result:
    if progress is not None:
        progress(one)
    findings: list[Finding] = []  # what was found before a rule could not go on stays found
    reason, applies = "", True
    try:
        for finding in one.check(subject):
            findings.append(finding)  # one by one: what came before an exception is kept
    except NotChecked as exc:
        reason, applies = exc.reason, exc.applies or bool(findings)
    except AgentError as exc:
        reason = str(exc)
    except Exception as exc:  # a rule's own fault is no verdict on the backend
        reason = f"the rule failed ({type(exc).__name__}: {exc}): please report it"
    limited = "running" in vars(subject) and subject.running.met_limit()
    if limited and not reason and not any(finding.verdict is Verdict.proven for finding in findings):
        reason = _LIMITED
    return Result(one, tuple(findings), reason, applies)
