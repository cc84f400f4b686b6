"""The scripts that judge what is built: what they complain of, and how often."""

import sys
import tarfile
import zipfile
from collections.abc import Iterator
from importlib import import_module
from io import BytesIO
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture
def scripts(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The scripts can be imported, and are forgotten afterwards."""
    monkeypatch.syspath_prepend(ROOT / "scripts")
    yield
    for name in ("package", "installed"):
        sys.modules.pop(name, None)


@pytest.fixture
def package(scripts: None, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    package = import_module("package")
    monkeypatch.setattr(package, "known", lambda: {"stanchion/__init__.py"})
    monkeypatch.setattr(package, "NEEDED", set[str]())
    return package


def build(folder: Path, *, wheel: tuple[str, ...] = (), sdist: tuple[str, ...] = ()) -> Path:
    """Write a wheel and an sdist of the package, each with some files more."""
    with zipfile.ZipFile(folder / "one.whl", "w") as archive:
        for name in ("stanchion/__init__.py", "stanchion-1.dist-info/METADATA", *wheel):
            archive.writestr(name, "")
    with tarfile.open(folder / "one.tar.gz", "w:gz") as archive:
        for name in ("src/stanchion/__init__.py", *sdist):
            archive.addfile(tarfile.TarInfo(f"stanchion-1/{name}"), BytesIO())
    return folder


def test_what_belongs_there_is_no_complaint(package: ModuleType, tmp_path: Path) -> None:
    assert package.complaints(build(tmp_path, sdist=("docs/index.md",))) == []


def test_what_would_be_installed_beside_the_package_is_told_once(package: ModuleType, tmp_path: Path) -> None:
    folder = build(tmp_path, wheel=("tests/test_one.py",), sdist=("benchmarks/one.py", "src/stanchion/.env"))
    assert package.complaints(folder) == [
        "the wheel holds tests/test_one.py, which git does not know",
        "src/stanchion/.env does not belong in a distribution",
        "the sdist holds benchmarks/one.py, which only the repository needs",
    ]


def test_what_does_not_end_is_a_failed_trial(
    scripts: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed = import_module("installed")
    monkeypatch.setattr(installed, "PATIENCE", 0.01)
    with pytest.raises(installed.TrialError, match=r"did not end in 0\.01 s"):
        installed.run(sys.executable, "-c", "while True: ...", folder=tmp_path)
