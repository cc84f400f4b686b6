"""Requests that fit the document, made by Schemathesis: the same ones in every run."""

import copy
import gzip
import json
import tempfile
import unicodedata
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hypothesis import HealthCheck, Phase, Verbosity, find, settings
from hypothesis.configuration import set_hypothesis_home_dir
from hypothesis.errors import HypothesisException, NoSuchExample

from stanchion.gate.subject import Document

if TYPE_CHECKING:
    from schemathesis import APIOperation, Case

_BASE = "http://gate"
# What UTF-8 can carry, and what does not come back. Hypothesis tries each code point, for two seconds,
# where it finds no such file; one of another version than its own it does not look for.
_UTF_8 = (
    f"unicode_data/{unicodedata.unidata_version}/codec-v2-utf-8.json.gz",
    [[[0, 0xD7FF], [0xE000, 0x10FFFF]], []],
)
_OPTIONS = {"with-security-parameters": False, "allow-extra-parameters": False}


@dataclass(frozen=True)
class Request:
    """A request, ready to be sent; hashable, so that none is sent twice."""

    method: str
    path: str
    headers: tuple[tuple[str, str], ...] = ()
    content: bytes = b""

    @property
    def size(self) -> tuple[int, str, bytes]:
        """Return what the smallest of several is told by."""
        return len(self.path) + len(self.content), self.path, self.content


class Requests:
    """Makes requests for the operations of one document."""

    def __init__(self, document: Document) -> None:
        # Inside, as it takes over a second, and few rules need it.
        import schemathesis
        from schemathesis.core.result import Ok

        content = copy.deepcopy(dict(document.content))
        config = schemathesis.Config.from_dict({"generation": _OPTIONS})  # not a file of this folder's
        with quiet():
            schema = schemathesis.openapi.from_dict(content, config=config)
            read = [one.ok() for one in schema.get_all_operations() if isinstance(one, Ok)]
        self._operations: dict[str, APIOperation[Any, Any, Any, Any]] = {one.label: one for one in read}

    def has(self, name: str) -> bool:
        """Tell whether `GET /todos` could be read."""
        return name in self._operations

    def smallest(
        self,
        name: str,
        known: Mapping[str, object],
        is_wanted: Callable[[Request], bool],
        *,
        examples: int,
    ) -> bool:
        """Hand requests for `GET /todos` to `is_wanted`, smaller ones once it has said yes.

        `known` are path parameters that some of them have; the others are made up. Return whether
        any could be made.
        """
        operation = self._operations[name]
        met = False

        def ask(case: "Case[Any]") -> bool:
            nonlocal met
            met = True
            return is_wanted(_request(case))

        from schemathesis.errors import SchemathesisError

        with quiet():
            try:
                strategy = operation.as_strategy()
                if known:
                    strategy = operation.as_strategy(path_parameters=dict(known)) | strategy
                find(strategy, ask, settings=_settings(examples))
            except NoSuchExample:
                pass
            except (HypothesisException, SchemathesisError):
                return met
        return met


def _settings(examples: int) -> settings:
    return settings(
        max_examples=examples,
        derandomize=True,
        database=None,
        deadline=None,
        phases=(Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
        verbosity=Verbosity.quiet,
        print_blob=False,
    )


def _request(case: "Case[Any]") -> Request:
    """Return what would be sent, without what names Schemathesis."""
    # Inside, as it is slow too: what Schemathesis encodes its requests for.
    import requests

    prepared = requests.Request(**case.as_transport_kwargs(base_url=_BASE)).prepare()
    own = {name.lower() for name in case.headers} | {"content-type", "cookie"}
    headers = tuple((name, _text(value)) for name, value in prepared.headers.items() if name.lower() in own)
    body: Any = prepared.body or b""
    content = body.encode() if isinstance(body, str) else bytes(body)
    return Request(case.method.upper(), prepared.path_url, headers, content)


def _text(value: str | bytes) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else value


@contextmanager
def quiet() -> Iterator[None]:
    """Keep what Hypothesis would write to the current folder, which is the person's, and all warnings."""
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        table = Path(folder, _UTF_8[0])
        table.parent.mkdir(parents=True)
        table.write_bytes(gzip.compress(json.dumps(_UTF_8[1]).encode()))
        set_hypothesis_home_dir(folder)
        try:
            yield
        finally:
            set_hypothesis_home_dir(None)
