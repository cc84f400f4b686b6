"""Gather the pages of the site, and have its engine build it: `python scripts/docs.py FOLDER`.

FOLDER/pages then holds plain Markdown, whose links are relative: docs/, the skill, the changelog, and what
scripts/reference.py makes. FOLDER/site is the site. Only `configuration` and `build` know of the engine.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from scripts import reference

import stanchion

ROOT = Path(__file__).parents[1]
SKILL = Path(stanchion.__file__).parent / ".agents/skills/stanchion"
FROM_ROOT = ("CHANGELOG.md", "ARCHITECTURE.md", "CONTRIBUTING.md")
FIRST = ("index", "resources", "add", "commands", "settings", "stanchion")
"""What one looks for first in a folder; the others follow by name."""

Nav = list[dict[str, Any]]


def gather(pages: Path) -> None:
    """Write every page of the site below a folder, which is emptied first."""
    shutil.rmtree(pages, ignore_errors=True)
    shutil.copytree(ROOT / "docs", pages)
    for page in pages.rglob("*.md"):
        page.write_text(_inside(page, pages), encoding="utf-8")
    shutil.copytree(SKILL, pages / "skill", ignore=shutil.ignore_patterns("scripts"))
    skill = pages / "skill/SKILL.md"
    matter = re.compile(r"\A---\n.*?\n---\n", re.DOTALL)
    skill.write_text(matter.sub("", skill.read_text(encoding="utf-8")), encoding="utf-8")
    for name in FROM_ROOT:
        shutil.copy(ROOT / name, pages)
    for path, text in generated():
        (pages / path).parent.mkdir(exist_ok=True)
        (pages / path).write_text(text, encoding="utf-8")


def generated() -> Iterator[tuple[str, str]]:
    """Give the pages that are made of docstrings: a path, and the text."""
    for module in reference.modules():
        yield f"reference/{module.__name__}.md", reference.reference(module)
    yield "reference/settings.md", reference.settings()
    yield "reference/commands.md", reference.commands()
    for name, text in reference.rules():
        yield f"rules/{name}.md", text


def navigation(pages: Path) -> Nav:
    """Return what the site's menu shows: every page that there is, in the order in which it is read."""
    nav: Nav = [{"Stanchion": "index.md"}, *_named(pages, ["tutorial.md"])]
    for title, folder in (
        ("Guide", "guide"),
        ("How to", "how-to"),
        ("Reference", "reference"),
        ("Rules", "rules"),
    ):
        nav += _section(title, pages, _below(pages, folder))
    nav.append(
        {"The skill": [{"The skill": "skill/SKILL.md"}, *_named(pages, _below(pages, "skill/references"))]}
    )
    about = [path for path in _below(pages, ".") if path not in ("index.md", "tutorial.md")]
    return nav + _section("About", pages, about) + _section("Decisions", pages, _below(pages, "decisions"))


def configuration(nav: Nav) -> str:
    """Return zensical.toml: nothing of it names another host, a font or a script."""
    lines = [
        "[project]",
        'site_name = "Stanchion"',
        'site_description = "Makes FastAPI backends safe to ship."',
        f'copyright = "Stanchion {stanchion.__version__}"',
        'docs_dir = "pages"',
        'site_dir = "site"',
        "use_directory_urls = false",
        'extra_css = ["site.css"]',
        f"nav = {_inline(nav)}",
        "[project.theme]",
        "font = false",
        'features = ["navigation.top", "content.code.copy", "search.highlight"]',
    ]
    for preferred, scheme, other, icon in (
        ("light", "default", "dark", "sun"),
        ("dark", "slate", "light", "moon"),
    ):
        lines += [
            "[[project.theme.palette]]",
            f'media = "(prefers-color-scheme: {preferred})"',
            f'scheme = "{scheme}"',
            f'toggle.icon = "lucide/{icon}"',
            f'toggle.name = "Switch to {other} colours"',
        ]
    return "\n".join(lines) + "\n"


def build(folder: Path) -> Path:
    """Build the site in a folder, and return where it is. Raises CalledProcessError for a link to nowhere."""
    gather(folder / "pages")
    (folder / "zensical.toml").write_text(configuration(navigation(folder / "pages")), encoding="utf-8")
    for old in ("site", ".cache"):  # what was a page before would stay one
        shutil.rmtree(folder / old, ignore_errors=True)
    subprocess.run(["zensical", "build", "--strict"], cwd=folder, check=True)
    return folder / "site"


def _inside(page: Path, pages: Path) -> str:
    """Return a page's text, in which a link to a file beside docs/ is one to its page of the site."""

    def moved(found: re.Match[str]) -> str:
        path, mark, anchor = found[1].partition("#")
        target = Path(os.path.normpath(ROOT / "docs" / page.parent.relative_to(pages) / path))
        if target.parent != ROOT:
            return found[0]
        name = "index.md" if target.name == "README.md" else target.name
        return f"]({os.path.relpath(pages / name, page.parent)}{mark}{anchor})"

    return re.sub(r"\]\(([^):\s]+)\)", moved, page.read_text(encoding="utf-8"))


def _inline(value: Any) -> str:
    """Write a value as TOML, on one line."""
    match value:
        case dict():
            return "{" + ", ".join(f"{json.dumps(key)} = {_inline(one)}" for key, one in value.items()) + "}"
        case list():
            return f"[{', '.join(map(_inline, value))}]"
    return json.dumps(value)


def _section(title: str, pages: Path, paths: Iterable[str]) -> Nav:
    named = _named(pages, paths)
    return [{title: named}] if named else []


def _below(pages: Path, folder: str) -> list[str]:
    """Return the pages of a folder: what one looks for first, then the others by name."""
    found = sorted((pages / folder).glob("*.md"), key=lambda page: (_rank(page.stem), page.stem))
    return [page.relative_to(pages).as_posix() for page in found]


def _rank(name: str) -> int:
    return FIRST.index(name) if name in FIRST else len(FIRST)


def _named(pages: Path, paths: Iterable[str]) -> Nav:
    return [{_title(pages / path): path} for path in paths]


def _title(page: Path) -> str:
    """Return the first heading of a page, without marks."""
    found = re.search(r"^# (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return found[1].replace("`", "") if found else page.stem


if __name__ == "__main__":
    build(Path(sys.argv[1]))
