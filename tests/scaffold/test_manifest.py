"""The allow-list: every file of the template is on it, or is left out on purpose."""

from pathlib import Path

from pathspec import GitIgnoreSpec  # hatchling's own, by which it leaves ignored files out of the wheel

from stanchion.scaffold.manifest import FILES, LEFT_OUT
from stanchion.scaffold.project import TEMPLATE

REPOSITORY = Path(__file__).parents[2]


def template_files() -> set[str]:
    """Return what Git tracks of the template, or would."""
    ignored = GitIgnoreSpec.from_lines((REPOSITORY / ".gitignore").read_text().splitlines())
    return {
        path.relative_to(TEMPLATE).as_posix()
        for path in TEMPLATE.rglob("*")
        if path.is_file() and not ignored.match_file(path.relative_to(REPOSITORY).as_posix())
    }


def test_every_file_is_listed_or_left_out() -> None:
    assert sorted([*FILES, *LEFT_OUT]) == sorted(template_files())


def test_the_list_is_in_order() -> None:
    assert list(FILES) == sorted(FILES)
