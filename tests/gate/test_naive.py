"""A backend as many tutorials write one: each habit is proven, and nothing is said that is not so."""

from pathlib import Path

import pytest

from stanchion.gate import Project, Report, Verdict, check

pytestmark = pytest.mark.measured

APPS = Path(__file__).parent / "apps"

HABITS = {
    "A05": "sync sessions in async def",
    "D07": "echo=True",
    "D01": "a hard-coded URL",
    "S01": 'allow_origins=["*"] with credentials',
    "S04": "a key compared with !=",
    "D05": "no pagination",
    "D04": "a list that loads relations one by one",
    "A03": "a generator that is collected before it is streamed",
}
TRUE_TOO = {
    "C01": "get_session and words have no result type",
    "C05": "all of it is in main.py",
    "C11": "there is no health endpoint",
    "C13": "nobody freezes the heap",
    "H08": "2^63 overflows SQLite's INTEGER in session.get: a 500",
    "O03": "GET /answer has no response model",
    "O04": "the 404 of an unknown id is not in the document",
}


@pytest.fixture(scope="module")
def report() -> Report:
    return check(Project.find(APPS / "naive"))


@pytest.mark.slow
def test_each_habit_is_proven_with_evidence(report: Report) -> None:
    proven = {
        result.rule.id: finding
        for result in report.results
        for finding in result.findings
        if finding.verdict is Verdict.proven
    }
    assert set(HABITS) - set(proven) == set()
    for habit in HABITS:
        assert proven[habit].evidence
        assert proven[habit].file == "main.py" or proven[habit].curl
    assert set(proven) - set(HABITS) - set(TRUE_TOO) == set()
    assert report.score is not None
    assert report.score <= 49


@pytest.mark.slow
def test_what_is_suspected_is_the_blocking_call(report: Report) -> None:
    suspected = {
        result.rule.id
        for result in report.results
        for finding in result.findings
        if finding.verdict is Verdict.suspected
    }
    assert suspected <= {"A01", "O06"}
