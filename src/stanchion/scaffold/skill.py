"""The skill that ships with the package, put where a project's coding assistants look.

`.agents/skills/NAME` is where most of them do, and where FastAPI's and SQLModel's packages keep theirs;
`.claude/skills/NAME` is a link to it.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from stanchion.scaffold.errors import ScaffoldError

SKILL = Path(__file__).parents[1] / ".agents/skills/stanchion"
AGENTS = Path(".agents/skills") / SKILL.name
CLAUDE = Path(".claude/skills") / SKILL.name
RECORD = ".installed.json"
"""Beside the files: what each of them was when it was put there, so that an edit is known as one."""


class Outcome(StrEnum):
    """What became of one file."""

    written = "written"
    updated = "updated"
    removed = "removed"
    kept = "kept"
    """The project has changed it, and the package has not."""
    linked = "linked"


@dataclass(frozen=True, slots=True)
class Done:
    """One thing that was done, or left alone."""

    outcome: Outcome
    path: Path


def install(project: Path, *, claude: bool, force: bool) -> list[Done]:
    """Put the skill into the project's folder; return what that changed. A second run changes nothing.

    `claude` links it into `.claude/skills` too, or copies it where there are no links. Raises ScaffoldError
    where the project's own edits would be lost, before anything is written, unless `force` says so.
    """
    if not project.is_dir():
        raise ScaffoldError(f"{project} is no folder: make it first, or name another with --path.")
    try:
        return list(_installed(project, claude=claude, force=force))
    except OSError as error:
        reason = error.strerror or error
        raise ScaffoldError(f"{error.filename or project} cannot be written ({reason}).") from error


def _installed(project: Path, *, claude: bool, force: bool) -> Iterator[Done]:
    agents = project / AGENTS
    copies = [agents]
    if claude and (project / CLAUDE).is_dir() and not _same(project / CLAUDE, agents):
        copies.append(project / CLAUDE)
    plans = [_Copy(folder, force=force) for folder in copies if not _same(folder, SKILL)]
    _refuse_edited(project, plans)
    for plan in plans:
        yield from plan.carry_out()
    if claude and not (project / CLAUDE).exists():
        yield from _link(project / CLAUDE, agents)


def _refuse_edited(project: Path, plans: "list[_Copy]") -> None:
    lost = [str((plan.folder / name).relative_to(project)) for plan in plans for name in plan.conflicts()]
    if lost:
        raise ScaffoldError(
            f"Changed here, and newer in the package: {', '.join(lost)}. Keep your lines elsewhere, "
            "for example in AGENTS.md, then run it with --force."
        )


def _link(link: Path, target: Path) -> Iterator[Done]:
    link.parent.mkdir(parents=True, exist_ok=True)
    try:
        link.symlink_to(os.path.relpath(target.resolve(), link.parent.resolve()), target_is_directory=True)
    except (OSError, NotImplementedError):  # Windows wants a privilege for it, some file systems have none
        yield from _Copy(link, force=False).carry_out()
    else:
        yield Done(Outcome.linked, link)


class _Copy:
    """The skill's files in one folder, compared with those of the package."""

    def __init__(self, folder: Path, *, force: bool) -> None:
        if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
            raise ScaffoldError(f"{folder} is there already, and no folder of its own: take it away first.")
        self.folder, self._force = folder, force
        self._shipped = {name: _digest(SKILL / name) for name in files()}
        self._record = _read(folder / RECORD)

    def conflicts(self) -> list[str]:
        """Return the files that the project has changed and the package has too."""
        return [] if self._force else [name for name in self._names() if self._is_lost(name)]

    def carry_out(self) -> Iterator[Done]:
        """Write what differs."""
        for name in self._names():
            yield from self._settle(name)
        if self._record != self._shipped:
            (self.folder / RECORD).write_text(json.dumps(self._shipped, indent=2) + "\n", encoding="utf-8")

    def _settle(self, name: str) -> Iterator[Done]:
        path, present, shipped = self.folder / name, self._present(name), self._shipped.get(name)
        if present == shipped:
            return
        if present is not None and self._is_edited(name) and not self._force:
            yield Done(Outcome.kept, path)
        elif shipped is None:
            path.unlink()
            yield Done(Outcome.removed, path)
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            new = path.with_name(f".{path.name}.new")
            shutil.copyfile(SKILL / name, new)
            shutil.copymode(SKILL / name, new)
            new.replace(path)
            yield Done(Outcome.written if present is None else Outcome.updated, path)

    def _names(self) -> list[str]:
        return sorted({*self._shipped, *self._record})

    def _present(self, name: str) -> str | None:
        path = self.folder / name
        return _digest(path) if path.is_file() else None

    def _is_edited(self, name: str) -> bool:
        return self._present(name) not in (None, self._record.get(name))

    def _is_lost(self, name: str) -> bool:
        """Tell whether an edit stands where the package has something new, or nothing any more."""
        moved = self._shipped.get(name) != self._record.get(name)
        return self._is_edited(name) and self._present(name) != self._shipped.get(name) and moved


def files() -> list[str]:
    """Return the skill's files, relative to its folder."""
    found = (path for path in SKILL.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    return sorted(path.relative_to(SKILL).as_posix() for path in found)


def _same(one: Path, other: Path) -> bool:
    return one.exists() and other.exists() and one.samefile(other)


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _read(path: Path) -> dict[str, str]:
    """Return the record; a folder without one, or with one that cannot be read, has nothing of ours."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    known = found.items() if isinstance(found, dict) else ()
    # It lies in the project, where anybody may write: no name in it leads out of the folder.
    return {name: str(digest) for name, digest in known if not {"..", "/"} & {*Path(name).parts}}
