"""docs/guide/index.md: the score of each step, and what is proven there, are what the gate says."""

import re
import shutil
import sys
from pathlib import Path

import pytest

from stanchion.gate import Options, Project, Report, Severity, Verdict, check

GUIDE = Path(__file__).parents[2] / "docs/guide"
KEY = "the-shop-opens-at-nine"
SETTINGS = (("ENVIRONMENT", "development"), ("DATABASE_URL", "sqlite:///./shop.db"), ("API_KEY", KEY))
ROWS = re.findall(
    r"^\| \[(\d) .*\| (\d+) \|(.*)\|$", (GUIDE / "index.md").read_text(encoding="utf-8"), re.MULTILINE
)
NEVER = {"S07", "S11"}
"""What index.md says that no step lets the gate check."""


def proven(report: Report) -> list[str]:
    return [
        result.rule.id
        for result in report.results
        if result.count(Verdict.proven) and result.rule.severity is not Severity.information
    ]


@pytest.mark.timeout(900)
@pytest.mark.parametrize(("number", "score", "rules"), ROWS, ids=lambda text: text.strip().replace(" ", "-"))
def test_a_step_has_the_score_that_stands_there(number: str, score: str, rules: str, tmp_path: Path) -> None:
    (step,) = (GUIDE / "steps").glob(f"{number}_*")
    folder = tmp_path / "shop"
    shutil.copytree(step, folder, ignore=shutil.ignore_patterns("__pycache__"))
    if (folder / ".env.example").exists():
        (folder / ".env").write_text("".join(f"{name}={value}\n" for name, value in SETTINGS))
    report = check(Project.find(folder, python=sys.executable), options=Options(key=KEY))
    assert not report.error
    assert (report.score, proven(report)) == (int(score), rules.split())
    assert {result.rule.id for result in report.results if result.applies and not result.verified} >= NEVER
