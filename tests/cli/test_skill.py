"""`stanchion skill`: put into a project, kept up to date, and never over what the project has changed."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from stanchion.scaffold import skill

AGENTS = Path(".agents/skills/stanchion")
CLAUDE = Path(".claude/skills/stanchion")


def lines(said: Any) -> list[str]:
    assert (said.status, said.err) == (0, "")
    out: str = said.out
    return out.splitlines()


def tree(folder: Path) -> dict[str, bytes]:
    found = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in found}


def shipped() -> dict[str, bytes]:
    return {name: (skill.SKILL / name).read_bytes() for name in skill.files()}


@pytest.fixture
def newer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The package, after an upgrade: a new text, and a reference less and one more."""
    package = tmp_path / "package/stanchion"
    (package / "references").mkdir(parents=True)
    (package / "SKILL.md").write_text("newer")
    (package / "references/new.md").write_text("new")
    monkeypatch.setattr(skill, "SKILL", package)
    return package


def test_it_is_put_where_assistants_look(call: Any, folder: Path) -> None:
    said = lines(call("skill", "install"))
    assert said == [f"written  {AGENTS / name}" for name in skill.files()]
    assert "SKILL.md" in skill.files()
    assert "references/anti-patterns.md" in skill.files()
    record = tree(folder / AGENTS).pop(skill.RECORD)
    assert tree(folder / AGENTS) == {**shipped(), skill.RECORD: record}
    assert os.access(folder / AGENTS / "scripts/run_dev.sh", os.X_OK)
    assert not (folder / ".claude").exists()


def test_again_it_changes_nothing(call: Any, folder: Path) -> None:
    call("skill", "install")
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    assert lines(call("skill", "install")) == [f"{AGENTS} is up to date."]
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before


def test_another_folder(call: Any, folder: Path) -> None:
    (folder / "backend").mkdir()
    assert lines(call("skill", "install", "--path", "backend"))[0] == f"written  {AGENTS / 'SKILL.md'}"
    assert (folder / "backend" / AGENTS / "SKILL.md").is_file()
    said = call("skill", "install", "--path", "nowhere")
    assert (said.status, said.out) == (1, "")
    assert said.err == "nowhere is no folder: make it first, or name another with --path.\n"


def test_an_upgrade(call: Any, folder: Path, newer: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(skill, "SKILL", Path(skill.__file__).parents[1] / ".agents/skills/stanchion")
        call("skill", "install")
        gone = {name for name in skill.files() if name != "SKILL.md"}
    said = lines(call("skill", "install"))
    assert set(said) == {
        f"updated  {AGENTS}/SKILL.md",
        f"written  {AGENTS}/references/new.md",
        *(f"removed  {AGENTS}/{name}" for name in gone),
    }
    assert {name for name in tree(folder / AGENTS) if name != skill.RECORD} == {
        "SKILL.md",
        "references/new.md",
    }


def test_an_edit_that_the_package_does_not_touch_stays(call: Any, folder: Path) -> None:
    call("skill", "install")
    (folder / AGENTS / "SKILL.md").write_text("ours")
    (folder / AGENTS / "team.md").write_text("ours too")
    assert lines(call("skill", "install")) == [
        f"kept     {AGENTS}/SKILL.md: yours; --force takes the package's",
        f"{AGENTS} is up to date.",
    ]
    assert (folder / AGENTS / "SKILL.md").read_text() == "ours"
    assert lines(call("skill", "install", "--force")) == [f"updated  {AGENTS}/SKILL.md"]
    assert tree(folder / AGENTS).items() >= {**shipped(), "team.md": b"ours too"}.items()


def test_an_edit_of_what_is_newer_is_never_lost(call: Any, folder: Path, newer: Path) -> None:
    (folder / AGENTS).mkdir(parents=True)
    (folder / AGENTS / "SKILL.md").write_text("ours")
    said = call("skill", "install")
    assert (said.status, said.out) == (1, "")
    assert said.err.startswith(f"Changed here, and newer in the package: {AGENTS}/SKILL.md. Keep your lines")
    assert tree(folder / AGENTS) == {"SKILL.md": b"ours"}, "nothing of it is written"
    assert lines(call("skill", "install", "--force"))[0] == f"updated  {AGENTS}/SKILL.md"
    assert (folder / AGENTS / "SKILL.md").read_text() == "newer"


def test_what_somebody_took_away_comes_again(call: Any, folder: Path) -> None:
    call("skill", "install")
    (folder / AGENTS / "SKILL.md").unlink()
    assert lines(call("skill", "install")) == [f"written  {AGENTS}/SKILL.md"]


@pytest.mark.parametrize("record", ["", "[]", "no json", '{"../../../main.py": "x", "/etc/hosts": "x"}'])
def test_a_record_that_says_nonsense(call: Any, folder: Path, record: str) -> None:
    (folder / "main.py").write_text("app")
    call("skill", "install")
    (folder / AGENTS / skill.RECORD).write_text(record)
    assert lines(call("skill", "install")) == [f"{AGENTS} is up to date."]
    assert (folder / "main.py").read_text() == "app"
    assert json.loads((folder / AGENTS / skill.RECORD).read_text()).keys() == shipped().keys()


@pytest.mark.parametrize(("there", "options"), [(True, []), (False, ["--claude"])])
def test_a_link_beside_it(call: Any, folder: Path, there: bool, options: list[str]) -> None:
    if there:
        (folder / ".claude").mkdir()
    assert lines(call("skill", "install", *options))[-1] == f"linked   {CLAUDE}"
    assert (folder / CLAUDE).readlink() == Path("../..") / AGENTS
    assert (folder / CLAUDE / "SKILL.md").is_file()
    assert lines(call("skill", "install", *options)) == [f"{AGENTS} is up to date."]


def test_no_link_where_none_is_wanted(call: Any, folder: Path) -> None:
    (folder / ".claude").mkdir()
    call("skill", "install", "--no-claude")
    assert not list((folder / ".claude").iterdir())


def test_a_copy_where_there_are_no_links(call: Any, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise OSError("no links here")

    monkeypatch.setattr(Path, "symlink_to", refuse)
    said = lines(call("skill", "install", "--claude"))
    assert said == [f"written  {where / name}" for where in (AGENTS, CLAUDE) for name in skill.files()]
    (folder / CLAUDE / "SKILL.md").write_text("ours")
    assert f"kept     {CLAUDE}/SKILL.md: yours; --force takes the package's" in lines(
        call("skill", "install")
    )


def test_links_of_others_are_left_alone(call: Any, folder: Path, tmp_path: Path) -> None:
    """`library-skills` links to the package itself; another team has one folder for both names."""
    (folder / AGENTS).parent.mkdir(parents=True)
    (folder / AGENTS).symlink_to(skill.SKILL)
    assert lines(call("skill", "install")) == [f"{AGENTS} is up to date."]
    assert skill.RECORD not in tree(skill.SKILL)
    (folder / AGENTS).unlink()
    (folder / ".claude").mkdir()
    (folder / ".claude/skills").symlink_to("../.agents/skills")
    assert len(lines(call("skill", "install"))) == len(skill.files())
    (folder / "elsewhere").mkdir()
    (folder / AGENTS).rename(folder / "away")
    (folder / AGENTS).symlink_to("../../elsewhere")
    said = call("skill", "install")
    assert said.status == 1
    assert said.err == f"{AGENTS} is there already, and no folder of its own: take it away first.\n"
    assert not list((folder / "elsewhere").iterdir())


def test_a_folder_that_cannot_be_written(call: Any, folder: Path) -> None:
    (folder / ".agents").write_text("a file")
    said = call("skill", "install")
    assert (said.status, said.err) == (1, ".agents/skills/stanchion cannot be written (Not a directory).\n")


def test_where_it_is(call: Any) -> None:
    (where,) = lines(call("skill", "path"))
    assert (Path(where) / "SKILL.md").is_file()
