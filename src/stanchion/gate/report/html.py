"""The report as one HTML file that needs nothing else: no network, no script."""

from pathlib import Path
from typing import Any

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from stanchion import __version__
from stanchion.gate.model import Finding, Report, Verdict
from stanchion.gate.report.checklist import State, checklist, mark, sections, unchecked, unruled
from stanchion.gate.report.findings import groups
from stanchion.gate.report.text import cut, doubt, exercised, percent, place, verified, visible

_TEMPLATE = Path(__file__).with_name("html.jinja")


def to_html(report: Report) -> str:
    """Return the report as a page. All that the backend said is escaped."""
    entries = checklist(report)
    return (
        _environment()
        .from_string(_TEMPLATE.read_text(encoding="utf-8"))
        .render(
            report=report,
            version=__version__,
            verified=percent(report.verified),
            lead=verified(report),
            counts={verdict.value: report.count(verdict) for verdict in Verdict},
            tone=_tone(report),
            passed=sum(entry.state in (State.passed, State.noted) for entry in entries),
            lines=len(entries),
            sections=sections(entries),
            doubt=doubt(report),
            exercised=exercised(report.operations),
            groups=groups(report),
            disproven=groups(report, Verdict.disproven),
            missed=unchecked(report),
            unruled=unruled(report),
            beside=unchecked(report, applies=False),
        )
    )


def _environment() -> Environment:
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, finalize=_finalize
    )
    environment.filters.update(evidence=_evidence, place=place, mark=_mark, slug=_slug)
    return environment


def _finalize(value: Any) -> Any:
    """Write controls out in all that is put into the page. It is escaped after this."""
    return visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _tone(report: Report) -> str:
    if report.score is None:
        return "unknown"
    return "good" if report.score >= 90 else "fair" if report.score >= 50 else "bad"


def _evidence(finding: Finding) -> tuple[str, int]:
    return cut(finding.evidence, lines=400, characters=20_000)


def _mark(state: str) -> str:
    return mark(State(state))


def _slug(text: str) -> str:
    return text.replace(" ", "-")
