"""Where this Stanchion was installed from: what a project must ask pip for to get the same one."""

import json
import re
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit
from urllib.request import url2pathname

from stanchion import __version__


@dataclass(frozen=True, slots=True)
class Origin:
    """A version from the registry or, with `url`, a file, a folder or a repository."""

    version: str
    url: str = ""
    editable: bool = False

    @classmethod
    def installed(cls) -> Self:
        """Return the origin of the Stanchion that is running."""
        try:
            return cls.of(metadata.distribution("stanchion"))
        except metadata.PackageNotFoundError:  # it runs from a folder on PYTHONPATH
            return cls(__version__)

    @classmethod
    def of(cls, distribution: metadata.Distribution) -> Self:
        """Read what pip wrote down about an installation (PEP 610, direct_url.json)."""
        text = distribution.read_text("direct_url.json")
        record: dict[str, Any] = json.loads(text) if text else {}
        editable = bool(record.get("dir_info", {}).get("editable", False))
        return cls(distribution.version, _requirement_url(record), editable)

    def requirement(self, extra: str) -> str:
        """Return the requirement (PEP 508) that gives the same Stanchion with an extra."""
        if self.url:
            return f"stanchion[{extra}] @ {self.url}"
        return f"stanchion[{extra}]>={self.version},<{_next(self.version)}"


def _requirement_url(record: dict[str, Any]) -> str:
    """Return the URL as pip takes it, or nothing where there is none or its file has been deleted since."""
    url = str(record.get("url", ""))
    parts = urlsplit(url)
    if parts.scheme == "file" and not Path(url2pathname(parts.path)).exists():
        return ""
    if "vcs_info" in record:
        url = f"{record['vcs_info']['vcs']}+{url}@{record['vcs_info']['commit_id']}"
    return f"{url}#subdirectory={record['subdirectory']}" if "subdirectory" in record else url


def _next(version: str) -> str:
    """Return the version that may break what was written for this one: before 1.0 each minor may."""
    numbers = re.match(r"(\d+)\.(\d+)", version)
    major, minor = map(int, numbers.groups()) if numbers else (0, 0)
    return str(major + 1) if major else f"0.{minor + 1}"
