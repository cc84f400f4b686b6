"""The gate finds the same ten times over, also while the rest of the machine is busy."""

import multiprocessing
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from stanchion.gate import Options, Project, Report, check

RUNS = 10
NAIVE = Path(__file__).parents[1] / "gate" / "apps" / "naive"
TEMPLATE = Path(__file__).parents[2] / "src" / "stanchion" / "template"
SETTINGS = (
    ("ENVIRONMENT", "test"),
    ("DATABASE_URL", "sqlite:///./todo.db"),
    ("API_KEY", "st_ab2cd3ef_0123456789abcdefghijklmnopqrstuvwxyzABCDEFG"),
)


def burn() -> None:
    while True:
        pass


@contextmanager
def busy(processes: int) -> Iterator[None]:
    """Keep this many processors busy."""
    context = multiprocessing.get_context("spawn")
    started = [context.Process(target=burn, daemon=True) for _ in range(processes)]
    for one in started:
        one.start()
    try:
        yield
    finally:
        for one in started:
            one.kill()
            one.join()


def verdicts(report: Report) -> list[tuple[str, str, str, str, str, int]]:
    """Return what the report says, without the figures that differ from run to run."""
    return [
        (result.rule.id, result.reason, one.verdict.value, one.operation, one.file, one.line)
        for result in report.results
        for one in result.findings
    ] + [(result.rule.id, result.reason, "", "", "", 0) for result in report.results]


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("processes", [0, (os.cpu_count() or 2) - 1, os.cpu_count() or 2])
@pytest.mark.parametrize("app", ["naive", "template"])
def test_the_findings_are_the_same(app: str, processes: int) -> None:
    project = Project.find(NAIVE if app == "naive" else TEMPLATE)
    options = Options(environment=SETTINGS if app == "template" else ())
    with busy(processes):
        first, *others = [verdicts(check(project, options=options)) for _ in range(RUNS)]
    assert first
    for other in others:
        assert other == first
