"""Decision 18 names each dependency, and the modules that know it; no other is imported."""

import ast
import re
import sys
import tomllib
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "src/stanchion"
DECISION = (ROOT / "docs/decisions/0018-dependencies.md").read_text("utf-8")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
EXTRAS: dict[str, list[str]] = PROJECT["optional-dependencies"]

BROUGHT = {"pydantic-core", "markupsafe", "hypothesis", "requests", "jsonschema", "openapi-schema-validator"}
"""What is imported, and comes with a dependency whose other half it is."""

LOOKED_FOR = {"pip"}
"""What the advice of `init` depends on."""

ROW = re.compile(
    r"^\| (?:(?P<extras>`[^|]*`) \| )?`(?P<name>[a-z0-9-]+)` \| \d[^|]*\|[^|]*\| (?P<known>[^|]*) \|", re.M
)
ROWS = [match.groupdict() for match in ROW.finditer(DECISION)]


def declared(requirements: list[str]) -> set[str]:
    return {str(canonicalize_name(Requirement(one).name)) for one in requirements} - {"stanchion"}


@cache
def importers() -> dict[str, set[str]]:
    """Return, by distribution, the modules that import it, or ask for it by its name."""
    homes = packages_distributions()
    found: dict[str, set[str]] = {}
    for path in PACKAGE.rglob("*.py"):
        module = path.relative_to(PACKAGE).as_posix()
        if module.startswith("template/"):
            continue
        for name in names(ast.parse(path.read_text("utf-8"))):
            for home in homes.get(name, []):
                found.setdefault(canonicalize_name(home), set()).add(module)
    return found


def names(tree: ast.Module) -> set[str]:
    """Return the first parts of what a module imports, or passes to `find_spec` or `files`."""
    found = set()
    for node in ast.walk(tree):
        match node:
            case ast.Import():
                found |= {alias.name.partition(".")[0] for alias in node.names}
            case ast.ImportFrom(module=str(module), level=0):
                found.add(module.partition(".")[0])
            case ast.Call(args=[ast.Constant(value=str(name))], func=ast.Name(id="find_spec" | "files")):
                found.add(name)
            case ast.Call(
                args=[ast.Constant(value=str(name))], func=ast.Attribute(attr="find_spec" | "files")
            ):
                found.add(name)
    return found - sys.stdlib_module_names - {"stanchion"}


def test_every_dependency_has_its_row() -> None:
    assert {row["name"] for row in ROWS if not row["extras"]} == declared(PROJECT["dependencies"])


@pytest.mark.parametrize("extra", EXTRAS)
def test_every_dependency_of_an_extra_has_its_row(extra: str) -> None:
    """With those of the extras that it takes in."""
    within = {
        one for text in EXTRAS[extra] for one in Requirement(text).extras if text.startswith("stanchion")
    }
    expected = declared([*EXTRAS[extra], *(text for one in within for text in EXTRAS[one])])
    assert {row["name"] for row in ROWS if row["extras"] and f"`{extra}`" in row["extras"]} == expected


def test_what_is_imported_is_declared() -> None:
    everything = declared([*PROJECT["dependencies"], *(one for texts in EXTRAS.values() for one in texts)])
    assert importers().keys() - everything - LOOKED_FOR == BROUGHT
    for name in BROUGHT:
        assert f"`{name.replace('-', '_')}`" in DECISION


@pytest.mark.parametrize("row", [row for row in ROWS if row["known"] != "above"], ids=lambda row: row["name"])
def test_the_modules_that_know_it_are_those_that_are_named(row: dict[str, str]) -> None:
    found = importers().get(row["name"], set())
    named = tuple(re.findall(r"`([^`]+)`", row["known"]))
    if row["known"] == "throughout":
        assert len(found) > 10
    elif row["known"] == "nothing":
        assert not found
    else:
        assert {one for one in found if not one.startswith(named)} == set()
        assert [name for name in named if not any(one.startswith(name) for one in found)] == []
