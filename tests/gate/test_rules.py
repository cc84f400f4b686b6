"""Every rule has a page, fires on its bad app with the verdict of its kind, and is silent on the good one."""

import re
from functools import cache
from pathlib import Path

import pytest

from stanchion.gate import Kind, Project, Result, Rule, Verdict, all_rules, check

CASES = Path(__file__).parent / "cases"
RULES = all_rules()


def run(one: Rule, case: str) -> Result:
    project = Project.find(CASES / one.id / case)
    (result,) = check(project, rules=[one]).results
    return result


def test_the_ids_are_unique_and_have_cases() -> None:
    ids = [one.id for one in RULES]
    assert len(ids) == len(set(ids)) > 0
    assert {path.name for path in CASES.iterdir()} == set(ids)


@pytest.mark.parametrize("one", RULES, ids=lambda one: one.id)
def test_it_has_a_page(one: Rule) -> None:
    assert one.page.startswith(f"# {one.id}: ")
    headings = re.findall(r"^## (.*)$", one.page, re.MULTILINE)
    assert headings == ["What it does", "Why it is bad", "Example", "Use instead"]
    assert re.fullmatch(r"[A-Z]\d\d", one.id)
    assert not one.title.endswith(".")


@pytest.mark.slow
@pytest.mark.parametrize("one", RULES, ids=lambda one: one.id)
def test_it_fires_on_the_bad_app(one: Rule) -> None:
    result = run(one, "bad")
    assert result.reason == ""
    expected = {Verdict.suspected, Verdict.proven} if one.kind is Kind.static else {Verdict.proven}
    assert result.findings
    assert {finding.verdict for finding in result.findings} <= expected
    for finding in result.findings:
        assert finding.message.endswith(".")
        assert finding.advice.endswith(".")
        assert finding.evidence or finding.curl
        assert finding.operation or finding.file


def content(one: Rule) -> tuple[tuple[str, bytes], ...]:
    """Return the files of a good app."""
    folder = CASES / one.id / "good"
    files = (path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    return tuple(sorted((path.relative_to(folder).as_posix(), path.read_bytes()) for path in files))


@cache
def run_together(files: tuple[tuple[str, bytes], ...]) -> dict[str, Result]:
    """Run all the rules whose good app is this one, in one go."""
    together = [one for one in RULES if content(one) == files]
    report = check(Project.find(CASES / together[0].id / "good"), rules=together)
    return {result.rule.id: result for result in report.results}


@pytest.mark.slow
@pytest.mark.parametrize("one", RULES, ids=lambda one: one.id)
def test_it_is_silent_on_the_good_app(one: Rule) -> None:
    result = run_together(content(one))[one.id]
    assert result.reason == ""
    assert [finding for finding in result.findings if finding.verdict is not Verdict.disproven] == []
