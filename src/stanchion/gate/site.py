"""A backend that runs already, known by its URL: what can be asked from outside, and no more."""

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit

import httpx2

from stanchion.gate.model import NotChecked
from stanchion.gate.source import Source

_PATIENCE = 15.0
_NAMED_BY_DOCS = re.compile(r"""(?:url|spec-url)\s*[:=]\s*["']([^"']+\.json)["']""")


class SiteError(Exception):
    """Nothing can be asked at a URL; the message is a sentence that says what to do."""


@dataclass(frozen=True)
class Site:
    """Where a backend is. `url` has no slash at its end; `document` is its OpenAPI document, if any."""

    url: str
    document: Mapping[str, Any] | None
    owned: bool = False
    """Somebody said that it is theirs to write to."""
    source: Source | None = None

    @classmethod
    def find(cls, url: str, *, owned: bool = False, folder: Path | None = None) -> "Site":
        """Ask the URL for its document: there, at `openapi.json` below it, or where its docs say.

        `folder` holds its source, where that is at hand. Raises SiteError where the URL is none, or
        nothing answers.
        """
        if folder is not None and not folder.is_dir():
            raise SiteError(f"{folder} is no folder: name the project's with --path.")
        source = Source(folder.resolve()) if folder else None
        try:
            parts = urlsplit(url)
            known = parts.scheme in ("http", "https") and parts.hostname and (parts.port or True)
        except ValueError:
            known = False
        if not known:
            raise SiteError(f"{url} is no URL of a backend: write it as https://host/ or http://host:8000/.")
        base = url.partition("#")[0].partition("?")[0].rstrip("/")
        with httpx2.Client(timeout=_PATIENCE, follow_redirects=False) as client:
            try:
                if (document := _document(client, base)) is not None:
                    return cls(base.rpartition("/")[0], document, owned, source)
                return cls(base, _below(client, base), owned, source)
            except httpx2.HTTPError as exc:
                why = str(exc) or type(exc).__name__
                raise SiteError(f"Nothing answers at {base} ({why}): start it, or correct the URL.") from exc

    @property
    def may_be_written_to(self) -> bool:
        """Tell whether the gate may make and delete things there."""
        return self.owned or is_loopback(urlsplit(self.url).hostname or "")

    def fetch(self) -> Mapping[str, Any]:
        """Return the document. Raises NotChecked where there is none."""
        if self.document is None:
            raise NotChecked(
                f"there is no OpenAPI document at {self.url}/openapi.json: name where it is, "
                "as in stanchion check https://host/api/openapi.json"
            )
        return self.document


def is_loopback(host: str) -> bool:
    """Tell whether a host is this machine, by its name or address alone."""
    try:
        address = ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return host == "localhost"
    return address.is_loopback or address.is_unspecified


def _below(client: httpx2.Client, base: str) -> Mapping[str, Any] | None:
    """Return the document of a backend at `base`, from the usual path, else from where /docs says."""
    if (found := _document(client, f"{base}/openapi.json")) is not None:
        return found
    named = _NAMED_BY_DOCS.search(client.get(f"{base}/docs").text)
    where = urljoin(f"{base}/docs", named[1]) if named else ""
    same_host = urlsplit(where).netloc == urlsplit(base).netloc
    return _document(client, where) if same_host else None


def _document(client: httpx2.Client, url: str) -> Mapping[str, Any] | None:
    try:
        content = client.get(url).json()
    except ValueError:
        return None
    return content if isinstance(content, dict) and "openapi" in content else None
