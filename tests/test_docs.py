"""The docs cannot drift: each name, setting, command and rule has its entry, each link an end."""

import inspect
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from scripts import docs, reference
from tests.test_exports import MODULES, NAMES

from stanchion.gate import all_rules
from stanchion.settings import Settings

ROOT = Path(__file__).parents[1]
SKILL = docs.SKILL.relative_to(ROOT)
PAGES = sorted(
    path.relative_to(ROOT)
    for path in (*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *docs.SKILL.rglob("*.md"))
)
LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)|!\[[^\]]*\]\(([^)\s]+)\)")
FENCE = re.compile(r"^( *)```(\w+)\n.*?^\1```$", re.MULTILINE | re.DOTALL)

RUN = [
    ("README.md", "tests/docs/test_readme.py", {"python"}),
    ("docs/guide/", "tests/docs/test_guide.py", {"python", "sh", "json", "ini", "text"}),
    ("docs/guide/0-plain.md", "tests/docs/test_guide.py", {"python", "sh", "json"}),
    ("docs/guide/index.md", "tests/docs/test_guide.py", set()),
    ("docs/how-to/", "tests/docs/test_howto.py", {"python", "sh", "json"}),
    ("docs/how-to/add.md", "tests/cli/test_add.py", {"sh"}),
    ("docs/how-to/feed.md", "tests/docs/test_howto.py", {"python", "sh", "json"}),
    ("docs/how-to/feed.md", "tests/test_alone.py", {"py"}),
    ("docs/how-to/feed.md", "tests/browser/test_feed.py", {"html"}),
    ("docs/leaving.md", "tests/docs/test_leaving.py", {"python", "ini", "sql"}),
    ("docs/tutorial.md", "tests/docs/test_tutorial.py", {"python", "sh", "json"}),
    (f"{SKILL}/", "tests/docs/test_skill.py", {"python", "json"}),
    (f"{SKILL}/references/anti-patterns.md", "tests/docs/test_anti_patterns.py", {"python"}),
    (f"{SKILL}/references/integration.md", "tests/docs/test_skill.py", {"python", "json"}),
    (f"{SKILL}/references/integration.md", "tests/browser/test_site.py", {"js"}),
]
"""Which test runs the blocks of which languages, of a page or of a folder whose pages are not named."""

NOT_RUN = {
    ("README.md", "sh"): (
        4,
        "its scripts and commands have tests of their own; test_readme.py looks that they are there",
    ),
    ("CONTRIBUTING.md", "sh"): (1, "it lists the scripts that run the tests"),
    ("docs/decisions/0011-a-resource-belongs-to-a-project.md", "python"): (
        1,
        "a decision shows what was decided then",
    ),
    ("docs/guide/0-plain.md", "text"): (1, "the gate, whose score test_guide.py asks for by itself"),
    ("docs/guide/index.md", "text"): (1, "how a reader begins; test_guide.py has its own folder"),
    ("docs/how-to/feed.md", "console"): (3, "a stream that does not end"),
    ("docs/how-to/feed.md", "text"): (1, "test_howto.py reads it, and serves the page as it says"),
    ("docs/how-to/jobs.md", "text"): (1, "test_howto.py reads it, and serves the page as it says"),
    ("docs/how-to/parts.md", "text"): (1, "test_howto.py reads it, and serves the page as it says"),
    ("docs/how-to/resources.md", "text"): (
        2,
        "one says how to serve it; the other is a sketch of the reader's own session",
    ),
    ("docs/leaving.md", "text"): (1, "two commands of Alembic; test_leaving.py runs them among others"),
    ("docs/how-to/routing.md", "text"): (1, "test_howto.py reads it, and serves the page as it says"),
    (f"{SKILL}/SKILL.md", "sh"): (
        2,
        "the first steps are the tutorial's; the gate and the tests have scripts",
    ),
    (f"{SKILL}/references/crud-patterns.md", "sh"): (1, "tests/cli/test_add.py runs lines like it"),
    (f"{SKILL}/references/database-integration.md", "sh"): (1, "test_skill.py runs them with other messages"),
    (f"{SKILL}/references/troubleshooting.md", "sh"): (1, "tests/cli/test_check.py runs both"),
    (f"{SKILL}/references/integration.md", "text"): (1, "a Dockerfile: no test has a container"),
}
"""What no test of the suite runs, how often it is there, and why."""


PEERS = {
    "FastAPI": "fastapi",
    "SQLModel": "sqlmodel",
    "FastCRUD": "fastcrud",
    "Litestar": "litestar",
    "advanced-alchemy": "advanced-alchemy",
    "Django REST framework": "djangorestframework",
    "django-ninja": "django-ninja",
    "Django": "django",
}
"""What the comparison names, each with its package."""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every page of the site, as Markdown."""
    pages = tmp_path_factory.mktemp("site") / "pages"
    docs.gather(pages)
    return pages


def test_every_public_module_has_a_page() -> None:
    shown = {module.__name__: set(reference.names(module)) for module in reference.modules()}
    promised = {name: {one for one in names if not one.startswith("__")} for name, names in NAMES.items()}
    promised |= {f"stanchion.{name}": set(names) for name, names in MODULES.items()}
    assert shown == promised


@pytest.mark.parametrize("module", list(reference.modules()), ids=lambda module: module.__name__)
def test_every_public_name_is_documented(module: object) -> None:
    assert inspect.ismodule(module)
    assert inspect.getdoc(module)
    page = reference.reference(module)
    for name in reference.names(module):
        assert reference.said(module, name), f"{name} says nothing"
        assert f"`{name}`" in page if module.__name__ == "stanchion" else f"\n## {name}\n" in page


def test_every_public_method_is_documented() -> None:
    """But for what another class promises, and says what it is."""
    silent = [
        f"{module.__name__}.{name}.{member}"
        for module in reference.modules()
        for name in reference.names(module)
        if inspect.isclass(value := getattr(module, name))
        for member, signature, said in reference.members(value)
        if not said and "def " in signature and not any(hasattr(base, member) for base in value.__mro__[1:])
    ]
    assert silent == []


def test_every_setting_is_documented() -> None:
    page = reference.settings()
    example = (ROOT / "src/stanchion/template/.env.example").read_text()
    for name, field in Settings.model_fields.items():
        assert field.description
        assert f"| `{name}` |" in page
        assert re.search(rf"^#?{name}=", example, re.MULTILINE), f"{name} is not in .env.example"


def test_every_command_is_documented() -> None:
    page = reference.commands()
    names = reference.command_names()
    assert {"init", "migrate new", "jobs dead", "skill install"} <= set(names)
    for name in names:
        said = page.partition(f"## stanchion {name}\n")[2].partition("\n## ")[0]
        assert re.search(r"\n```\n\n[A-Z]", said), f"stanchion {name} says nothing of itself"
        assert "| |\n" not in said.partition("| --- | --- |")[2], (
            f"an option of stanchion {name} says nothing"
        )


def test_every_rule_has_a_page() -> None:
    pages = dict(reference.rules())
    assert pages.keys() == {"index", *(one.id for one in all_rules())}
    for one in all_rules():
        assert f"({one.id}.md)" in pages["index"]
        assert one.line.value in pages[one.id]


def links(path: Path) -> Iterator[str]:
    text = FENCE.sub("", path.read_text(encoding="utf-8"))
    for found in LINK.findall(text):
        target = "".join(found)
        if not re.match(r"[a-z]+:", target):
            yield target


def anchors(path: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", FENCE.sub("", path.read_text(encoding="utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", one.lower()).replace(" ", "-") for one in headings}


def leads_nowhere(page: Path, target: str) -> bool:
    path, _, anchor = target.partition("#")
    found = page if not path else page.parent / path
    return not found.exists() or bool(anchor and anchor not in anchors(found))


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_every_link_has_an_end(page: Path, site: Path) -> None:
    """In the repository; a page of docs/ may link to what only the site has."""
    in_site = page.relative_to("docs") if page.parts[0] == "docs" else None
    for target in links(ROOT / page):
        nowhere = leads_nowhere(ROOT / page, target)
        if nowhere and in_site is not None:
            nowhere = leads_nowhere(site / in_site, target)
        assert not nowhere, target


def test_every_link_of_the_site_has_an_end(site: Path) -> None:
    pages = sorted(site.rglob("*.md"))
    assert len(pages) > 100
    assert [(page.name, one) for page in pages for one in links(page) if leads_nowhere(page, one)] == []


def runs(page: Path, language: str) -> bool:
    """Tell whether a test runs a page's blocks of a language."""
    entries = [one for one in RUN if one[0] == page.as_posix()]
    entries = entries or [one for one in RUN if one[0].endswith("/") and page.as_posix().startswith(one[0])]
    return any(language in languages for _, _, languages in entries)


def test_every_snippet_runs_or_says_why_not() -> None:
    left = Counter(
        (page.as_posix(), language)
        for page in PAGES
        for _, language in FENCE.findall((ROOT / page).read_text(encoding="utf-8"))
        if not runs(page, language)
    )
    assert left == {key: count for key, (count, _) in NOT_RUN.items()}, (
        "name the test in RUN, or the reason in NOT_RUN"
    )


def test_what_runs_them_is_there() -> None:
    for page, test, _ in RUN:
        assert (ROOT / page).exists()
        assert (ROOT / test).is_file()


def test_the_engine_is_told_of_every_page(site: Path) -> None:
    told = docs.configuration(docs.navigation(site))
    for page in site.rglob("*.md"):
        assert f'"{page.relative_to(site).as_posix()}"' in told
    assert "://" not in told


def rows(text: str, heading: str) -> dict[str, list[str]]:
    """Return the rows of the first table whose heading begins so, by their first cell."""
    table = text.partition(heading)[2].partition("\n\n")[0].splitlines()[2:]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in table]
    return {first: others for first, *others in cells}


def test_the_readme_compares_as_its_page_does() -> None:
    readme, page = ((ROOT / name).read_text("utf-8") for name in ("README.md", "docs/peers.md"))
    lock = (ROOT / "requirements/peers.txt").read_text("utf-8")
    shown = rows(readme, "| | Stanchion |")
    assert len(shown) == 8
    assert shown == rows(page, "| | Stanchion |")
    for text in (readme, page):
        section = " ".join(text.partition("Looked up on")[2].partition("\n\n")[0].split())
        for name, pin in PEERS.items():
            versions = re.findall(rf"^{pin}==(\S+)", lock, re.MULTILINE)  # more than one where Pythons differ
            assert any(f"{name} {version}" in section for version in versions), name


def test_what_the_readme_quotes_was_measured() -> None:
    """Ratios, figures, the day and the machine are those of docs/performance.md."""
    readme, page = ((ROOT / name).read_text("utf-8") for name in ("README.md", "docs/performance.md"))
    section = readme.partition("\n## What it costs\n")[2].partition("\n## ")[0]
    measured = {
        name: re.findall(r"\(([\d.]+)\)", " ".join(cells))
        for name, cells in rows(page, "| PostgreSQL |").items()
    }
    quoted = rows(section, "| PostgreSQL |")
    assert len(quoted) == 6
    assert quoted == {name: measured[name] for name in quoted}
    tables = page.partition("<!-- tables -->")[2].partition("| SQLite |")[0]
    figures = re.findall(r"(\d+) µs", section)
    assert len(figures) == 4
    assert [one for one in figures if not re.search(rf"\b{one}\b", tables)] == []
    when = re.search(r"^Measured on (\d{4}-\d\d-\d\d), on (\d+ cores) ", page, re.MULTILINE)
    assert when
    assert f"measured on {when[1]} on {when[2]}" in " ".join(section.split())
