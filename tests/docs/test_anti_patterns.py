"""The skill's anti-patterns: the gate finds each bad code by the rule that is named, and the good one passes.

A block stands for lines of the page's own app: what it defines takes the place of what has that name there.
"""

import ast
import re
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

import stanchion
from stanchion.database import migrations
from stanchion.gate import Kind, Project, Report, Verdict, all_rules, check
from stanchion.secret import new_key

PAGE = Path(stanchion.__file__).parent / ".agents/skills/stanchion/references/anti-patterns.md"
TEXT = PAGE.read_text(encoding="utf-8")
BLOCK = re.compile(r"^```python\n# (bad|good|main\.py)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
RULES = {one.id: one for one in all_rules()}


@dataclass(frozen=True)
class Pattern:
    """One of them, as the page tells it."""

    title: str
    rule: str
    operation: str
    bad: str
    good: str


def patterns() -> Iterator[Pattern]:
    for part in re.split(r"^### ", TEXT, flags=re.MULTILINE)[1:]:
        said = part.partition("\n## ")[0]
        blocks = dict(BLOCK.findall(said))
        (rule,) = re.findall(r"\*\*([A-Z]\d\d)\*\*", said)
        operations = re.findall(r"`((?:GET|POST|PATCH|DELETE) /[^`]*)`", said.partition("```")[0])
        yield Pattern(said.splitlines()[0], rule, "".join(operations), blocks["bad"], blocks["good"])


PATTERNS = list(patterns())
APP = dict(BLOCK.findall(TEXT))["main.py"]


def name(statement: ast.stmt) -> str:
    """Return by what a statement is known: what it defines, or what it calls."""
    match statement:
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
            return name
        case ast.Assign(targets=[target]):
            return ast.unparse(target)
        case ast.Expr(value=ast.Call(func=called)):
            return ast.unparse(called)
    return ast.unparse(statement)


def put(app: list[ast.stmt], block: str) -> list[ast.stmt]:
    """Return the app with a block's lines in it. What is new comes before what the block changes, or last."""
    made, new = list(app), list[ast.stmt]()
    for statement in ast.parse(block).body:
        known = [name(one) for one in made]
        if name(statement) not in known:
            new.append(statement)
            continue
        place = known.index(name(statement))
        made[place : place + 1] = [*new, statement]
        new = []
    return made + new


def apps(chosen: Iterable[Pattern]) -> list[list[Pattern]]:
    """Share patterns out to a few apps, each of which takes seconds: in one, no two change the same name."""
    shared: list[list[Pattern]] = []
    for pattern in chosen:
        names = {name(one) for one in ast.parse(pattern.bad).body}
        for group in shared:
            taken = {name(one) for other in group for one in ast.parse(other.bad).body}
            if not names & taken and pattern.rule not in {other.rule for other in group}:
                group.append(pattern)
                break
        else:
            shared.append([pattern])
    return shared


READ = [pattern for pattern in PATTERNS if RULES[pattern.rule].kind is Kind.static]
GROUPS = [*apps(READ), *apps(pattern for pattern in PATTERNS if pattern not in READ)]


@pytest.fixture(scope="session")
def library(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A database with the library's tables."""
    folder = tmp_path_factory.mktemp("library")
    migrations.upgrade(f"sqlite:///{folder}/shop.db", folder)
    return (folder / "shop.db").read_bytes()


def judge(folder: Path, library: bytes, blocks: Iterable[str], rules: Iterable[str]) -> Report:
    app = ast.parse(APP).body
    for block in blocks:
        app = put(app, block)
    folder.mkdir()
    (folder / "main.py").write_text(ast.unparse(ast.Module(app, [])))
    (folder / "shop.db").write_bytes(library)
    settings = {"ENVIRONMENT": "test", "DATABASE_URL": "sqlite:///./shop.db", "API_KEY": new_key()}
    (folder / ".env").write_text("".join(f"{key}={value}\n" for key, value in settings.items()))
    project = Project.find(folder, python=sys.executable)
    report = check(project, rules=[RULES[one] for one in dict.fromkeys(rules)])
    assert report.error == ""
    return report


def test_each_names_a_rule_and_has_both_sides() -> None:
    assert len(PATTERNS) >= 20
    assert {pattern.rule for pattern in PATTERNS} <= set(RULES)
    assert len(BLOCK.findall(TEXT)) == TEXT.count("```") // 2 == 2 * len(PATTERNS) + 1
    assert sorted(pattern.rule for group in GROUPS for pattern in group) == sorted(
        one.rule for one in PATTERNS
    )


@pytest.mark.slow
@pytest.mark.parametrize("group", GROUPS, ids=lambda group: "-".join(one.rule for one in group))
def test_the_bad_code_is_found(tmp_path: Path, library: bytes, group: list[Pattern]) -> None:
    rules = [pattern.rule for pattern in group]
    report = judge(tmp_path / "bad", library, [pattern.bad for pattern in group], rules)
    for pattern in group:
        (result,) = (one for one in report.results if one.rule.id == pattern.rule)
        assert result.reason == "", pattern.title
        found = [one for one in result.findings if one.verdict is not Verdict.disproven]
        assert found, f"{pattern.rule} finds nothing: {pattern.title}"
        if pattern.operation:
            assert pattern.operation in {one.operation for one in found}, pattern.title


@pytest.mark.slow
def test_the_good_code_passes(tmp_path: Path, library: bytes) -> None:
    report = judge(tmp_path / "good", library, [one.good for one in PATTERNS], [one.rule for one in PATTERNS])
    assert {result.rule.id: result.reason for result in report.results if result.reason} == {}
    found = [
        (result.rule.id, one.operation, one.message)
        for result in report.results
        for one in result.findings
        if one.verdict is not Verdict.disproven
    ]
    assert found == []
