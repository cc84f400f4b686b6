"""Where Stanchion was installed from, as pip wrote it down, and the requirement that gives the same one."""

import json
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement

import stanchion
from stanchion.scaffold import Origin


def installed(folder: Path, record: dict[str, Any] | None, version: str = "0.3.0") -> metadata.Distribution:
    """Make what an installation leaves behind."""
    info = folder / f"stanchion-{version}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.4\nName: stanchion\nVersion: {version}\n")
    if record is not None:
        (info / "direct_url.json").write_text(json.dumps(record))
    return metadata.Distribution.at(info)


def test_a_wheel(tmp_path: Path) -> None:
    wheel = tmp_path / "my wheels" / "stanchion-0.3.0-py3-none-any.whl"
    wheel.parent.mkdir()
    wheel.touch()
    record = {"url": wheel.as_uri(), "archive_info": {"hashes": {"sha256": "0" * 64}}}
    requirement = Origin.of(installed(tmp_path, record)).requirement("postgres")
    assert requirement == f"stanchion[postgres] @ {wheel.as_uri()}"
    assert Requirement(requirement).extras == {"postgres"}


@pytest.mark.parametrize("editable", [False, True])
def test_a_folder(tmp_path: Path, editable: bool) -> None:
    record = {"url": tmp_path.as_uri(), "dir_info": {"editable": True} if editable else {}}
    origin = Origin.of(installed(tmp_path, record))
    assert origin == Origin("0.3.0", tmp_path.as_uri(), editable)
    assert origin.requirement("dev") == f"stanchion[dev] @ {tmp_path.as_uri()}"


def test_a_repository(tmp_path: Path) -> None:
    record = {
        "url": "https://git.example/stanchion.git",
        "vcs_info": {"vcs": "git", "requested_revision": "main", "commit_id": "a" * 40},
        "subdirectory": "python",
    }
    url = f"git+https://git.example/stanchion.git@{'a' * 40}#subdirectory=python"
    requirement = Origin.of(installed(tmp_path, record)).requirement("postgres")
    assert requirement == f"stanchion[postgres] @ {url}"
    assert Requirement(requirement).url == url


def test_an_address(tmp_path: Path) -> None:
    record = {"url": "https://files.example/stanchion.whl", "archive_info": {}}
    requirement = Origin.of(installed(tmp_path, record)).requirement("dev")
    assert requirement == "stanchion[dev] @ https://files.example/stanchion.whl"


@pytest.mark.parametrize(
    ("version", "expected"),
    [
        ("0.1.0.dev0", ">=0.1.0.dev0,<0.2"),
        ("0.1.0rc1", ">=0.1.0rc1,<0.2"),
        ("0.9.3", ">=0.9.3,<0.10"),
        ("1.4.0rc1", ">=1.4.0rc1,<2"),
        ("2.0", ">=2.0,<3"),
    ],
)
def test_the_registry(tmp_path: Path, version: str, expected: str) -> None:
    requirement = Origin.of(installed(tmp_path, None, version)).requirement("postgres")
    assert requirement == f"stanchion[postgres]{expected}"
    assert Requirement(requirement).specifier.contains(version, prereleases=True)


def test_a_wheel_that_has_been_deleted(tmp_path: Path) -> None:
    origin = Origin.of(installed(tmp_path, {"url": (tmp_path / "gone.whl").as_uri(), "archive_info": {}}))
    assert origin == Origin("0.3.0")


def test_the_one_that_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    assert Origin.installed().version == stanchion.__version__

    def not_found(name: str) -> metadata.Distribution:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "distribution", not_found)
    assert Origin.installed() == Origin(stanchion.__version__)
