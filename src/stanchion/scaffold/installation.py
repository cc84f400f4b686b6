"""The environment that `stanchion` runs in: whether a new project needs another."""

import os
import re
import shlex
import shutil
import sys
import sysconfig
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Self

_EXTRA = re.compile(r"([\w.-]+).*;.*\bextra\s*==\s*['\"](?:postgres|dev)['\"]")
"""A requirement (PEP 508) of the extras that a project names: to run, and for its tests."""


@dataclass(frozen=True, slots=True)
class Installation:
    """An environment of Python, by its prefix and the folder of its commands."""

    prefix: Path
    scripts: Path

    @classmethod
    def running(cls) -> Self:
        """Return that of this process."""
        return cls(Path(sys.prefix), Path(sysconfig.get_path("scripts")))

    @property
    def is_whole(self) -> bool:
        """Tell whether all is there that a new project needs, to run and for its tests."""
        try:
            return bool([metadata.distribution(name) for name in _needed()])
        except metadata.PackageNotFoundError:
            return False

    @property
    def is_on_path(self) -> bool:
        """Tell whether `stanchion`, typed, is the one that is here."""
        found = shutil.which("stanchion")
        return found is not None and Path(found).parent.samefile(self.scripts)

    @property
    def takes_packages(self) -> bool:
        """Tell whether `pip`, typed, installs into it: it is activated, and has one."""
        return os.environ.get("VIRTUAL_ENV") == str(self.prefix) and find_spec("pip") is not None

    def activation(self, folder: Path) -> str | None:
        """Return the line that activates it in a shell in this folder; None where there is none."""
        script = self.scripts / "activate"
        if not script.is_file():
            return None
        near = script.relative_to(folder) if script.is_relative_to(folder) else script
        return str(near) if os.name == "nt" else f". {shlex.quote(str(near))}"


def _needed() -> Iterator[str]:
    """Give the names of the packages of the extras. Raises PackageNotFoundError where they are not known."""
    for line in metadata.requires("stanchion") or ():
        if found := _EXTRA.match(line):
            yield found[1]
