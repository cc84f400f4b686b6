"""A new project: its name, its files, and the folder that they appear in all at once."""

import os
import re
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Literal, Self

from stanchion.scaffold import environment
from stanchion.scaffold.errors import ScaffoldError
from stanchion.scaffold.manifest import FILES
from stanchion.scaffold.origin import Origin

TEMPLATE = Path(__file__).parents[1] / "template"

# PEP 508: what pip takes for the name of a project. It is also a folder and a database.
_NAME = re.compile(r"[a-z0-9]([a-z0-9._-]*[a-z0-9])?", re.ASCII | re.IGNORECASE)
_LONGEST = 63  # bytes, of the name of a PostgreSQL database


@dataclass(frozen=True, slots=True)
class Project:
    """What a project is to be. `create()` makes it."""

    name: str
    folder: Path
    database_url: str
    origin: Origin

    @classmethod
    def plan(cls, where: str, *, database: Literal["sqlite", "postgresql"], origin: Origin) -> Self:
        """Plan a project in the folder `where`, named like it. Raises ScaffoldError for a bad name."""
        folder = Path(os.path.abspath(where))  # noqa: PTH100 (the name that was typed, not a link's target)
        name = folder.name if where else ""
        _check_name(name)
        url = f"sqlite:///./{name}.db" if database == "sqlite" else f"postgresql://localhost/{name}"
        return cls(name, folder, url, origin)

    def create(self, *, api_key: str) -> None:
        """Write the files and a `.env` with this key: all, or nothing. Raises ScaffoldError.

        The folder is new, or there and empty but for an environment, `.venv`. Those above it are made too.
        """
        with _refusing(self.folder), self._staging() as staging:
            for file in FILES:
                path = staging / file
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(self.render(file))
            environment.write(staging / ".env", database_url=self.database_url, api_key=api_key)

    @property
    def missing(self) -> list[Path]:
        """Return the folders above the project's that are not there, and will be made, outermost first."""
        return [path for path in reversed(self.folder.parents) if not os.path.lexists(path)]

    def render(self, file: str) -> bytes:
        """Return what the project's file holds: the template's, with its few literals replaced."""
        content = (TEMPLATE / file).read_bytes().decode()
        for old, new in self._literals().get(file, {}).items():
            if content.count(old) != 1:
                raise AssertionError(f"the template's {file} has no place, or several, for {old!r}")
            content = content.replace(old, new)
        return content.encode()

    def _literals(self) -> Mapping[str, Mapping[str, str]]:
        run, dev, check = map(self.origin.requirement, ("postgres", "dev", "check"))
        return {
            ".env.example": {"sqlite:///./todo.db": self.database_url},
            "README.md": {"# todo-backend\n": f"# {self.name}\n"},
            "pyproject.toml": {
                '"todo-backend"': f'"{self.name}"',
                '"stanchion[postgres]"': f'"{run}"',
                '"stanchion[dev]"': f'"{dev}"',
                '"stanchion[check]"': f'"{check}"',
            },
            "requirements.txt": {"stanchion[postgres]\n": f"{run}\n"},
        }

    @contextmanager
    def _staging(self) -> Iterator[Path]:
        """Give a folder to write to, beside the one that is wanted, and put it in place if all went well."""
        _check_folder(self.folder)
        present = self.folder.is_dir()
        parent = self.folder if present else self.folder.parent
        with (
            _made(self.missing),
            tempfile.TemporaryDirectory(prefix=".stanchion-", dir=parent) as temporary,
        ):
            staging = Path(temporary) / "project"  # the temporary folder itself is for its owner's eyes alone
            staging.mkdir()
            yield staging
            if present:
                # Not the folder itself: the shell may be in it, or it may be a mount.
                _move_into(self.folder, staging)
            else:
                staging.rename(self.folder)


@contextmanager
def _refusing(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        reason = error.strerror or error
        raise ScaffoldError(f"{folder} cannot be made ({reason}): choose another folder.") from error


def _check_name(name: str) -> None:
    if not _NAME.fullmatch(name) or len(name) > _LONGEST:
        raise ScaffoldError(
            f"{name!r} cannot be a project's name: use letters, digits, '-', '_' and '.', "
            f"at most {_LONGEST}, with a letter or a digit at both ends."
        )
    if _normal(name) in _needed():
        raise ScaffoldError(f"{name!r} is the name of a package that every project needs: choose another.")


def _check_folder(folder: Path) -> None:
    if folder.is_dir():
        if not all(map(_is_environment, folder.iterdir())):
            raise ScaffoldError(f"{folder} is not empty: choose another name, or an empty folder.")
    elif os.path.lexists(folder):
        raise ScaffoldError(f"{folder} is there already, and is no folder: choose another name.")
    above = next(path for path in folder.parents if os.path.lexists(path))
    if not above.is_dir():
        raise ScaffoldError(f"{above} is no folder: choose another place.")


@contextmanager
def _made(folders: list[Path]) -> Iterator[None]:
    """Make folders, and take those away again where the block fails; what others put there stays."""
    made: list[Path] = []
    try:
        for folder in folders:
            folder.mkdir()
            made.append(folder)
        yield
    except BaseException:  # also Control-C
        with suppress(OSError):
            for folder in reversed(made):
                folder.rmdir()
        raise


def _is_environment(path: Path) -> bool:
    """Tell whether it is the project's own environment, which may be made before the project."""
    return path.name == ".venv" and (path / "pyvenv.cfg").is_file()


def _needed() -> set[str]:
    """Return the names of the packages that a project installs, those for its tests included."""
    pins = (TEMPLATE / "requirements.txt").read_text(encoding="utf-8").splitlines()
    try:
        lines = [*pins, *(metadata.requires("stanchion") or ())]
    except metadata.PackageNotFoundError:  # it runs from a folder on PYTHONPATH
        lines = pins
    return {_normal(found[0]) for line in lines if (found := re.match(r"[\w.-]+", line))}


def _normal(name: str) -> str:
    """Return what two spellings of one name share (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _move_into(folder: Path, staging: Path) -> None:
    moved: list[Path] = []
    try:
        for entry in sorted(staging.iterdir()):
            moved.append(entry.rename(folder / entry.name))
    except BaseException:  # also Control-C
        for path in moved:
            path.rename(staging / path.name)
        raise
