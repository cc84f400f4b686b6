"""Values that fit a JSON schema, as a person would fill in a form: examples first, and nothing twice."""

import itertools
import re
import tempfile
import uuid
import warnings
from collections.abc import Mapping
from typing import Any

from hypothesis import strategies
from hypothesis.configuration import set_hypothesis_home_dir
from hypothesis.errors import HypothesisException, NonInteractiveExampleWarning

from stanchion.gate.schemas import whole
from stanchion.gate.subject import Document

_UNIQUE = re.compile(
    r"(^|_)(email|mail|user_?name|login|handle|slug|code|sku|isbn|phone|title|name)$", re.IGNORECASE
)
_DEEPEST = 6
_APART = 1000
"""How far from the least number those begin of which no two are the same: there the app may have its own."""
_FORMATS = {
    "email": "probe{n}@example.com",
    "uri": "https://example.com/{n}",
    "url": "https://example.com/{n}",
    "date": "2026-01-02",
    "date-time": "2026-01-02T03:04:05Z",
    "time": "03:04:05Z",
    "duration": "P1D",
    "ipv4": "192.0.2.1",
    "ipv6": "2001:db8::1",
    "hostname": "example.com",
    "binary": "abc",
    "byte": "YWJj",
}


class Values:
    """Makes values for one document; each call gives another, where the schema allows it.

    Texts that are to be unique are numbered from `first`: whoever asks the same app again takes another.
    """

    def __init__(self, document: Document, first: int = 1) -> None:
        self._document = document
        self._texts, self._numbers = itertools.count(first), itertools.count(1)
        self.varied = False
        """No number is given twice, as no text is, where the schema allows it."""

    def make(self, schema: Any, name: str = "", depth: int = 0) -> Any:
        """Return a value of the schema; None where none is known."""
        if depth > _DEEPEST:
            return None
        schema = whole(self._document, schema)
        if "const" in schema:
            return schema["const"]
        if "enum" in schema:
            return schema["enum"][0]
        for keyword in ("anyOf", "oneOf"):
            if keyword in schema:
                return self._one_of(schema[keyword], name, depth)
        kind = schema.get("type")
        if isinstance(kind, list):
            kind = next((one for one in kind if one != "null"), "null")
        if kind == "object" or "properties" in schema:
            return self._object(schema, depth)
        example = next(iter(schema.get("examples") or ()), schema.get("example"))
        if kind == "array":
            wanted = max(1, int(schema.get("minItems", 1)))
            if depth > _DEEPEST // 2 and not schema.get("minItems"):
                return []  # of a schema within itself, enough
            made = [self.make(schema.get("items", {}), name, depth + 1) for _ in range(wanted)]
            return made if example is None else example
        if kind == "string":
            return self._string(schema, name, example)
        if kind in ("integer", "number"):
            return self._number(schema, kind) if example is None or self.varied else example
        return {"boolean": True, "null": None}.get(str(kind), example)

    def _one_of(self, options: list[Any], name: str, depth: int) -> Any:
        for option in options:
            made = self.make(option, name, depth + 1)
            if made is not None:
                return made
        return None

    def _object(self, schema: Mapping[str, Any], depth: int) -> dict[str, Any]:
        required = set(schema.get("required", ()))
        made = {}
        for name, part in schema.get("properties", {}).items():
            resolved = self._document.resolve(part)
            # What has a default, or may be left out, is left to the app: it knows better.
            if name in required:
                made[name] = self.make(resolved, name, depth + 1)
        return made

    def _string(self, schema: Mapping[str, Any], name: str, example: Any) -> str:
        number = next(self._texts)
        form = schema.get("format", "")
        if form == "uuid":
            return str(uuid.uuid5(uuid.NAMESPACE_URL, str(number)))
        if form in _FORMATS:
            return _FORMATS[form].format(n=number)
        if re.search(r"(^|_)e?mail$", name, re.IGNORECASE):
            return _FORMATS["email"].format(n=number)
        if form == "password" or "password" in name.lower():
            return "Correct-horse-battery-9"[: schema.get("maxLength", 64)]
        if isinstance(example, str):
            return self._fitting(f"{example} {number}" if _UNIQUE.search(name) else example, schema, example)
        pattern = schema.get("pattern")
        text = f"{name or 'text'} {number}"
        if pattern and not _matches(pattern, text):
            return _of_pattern(pattern, schema) or text
        return self._fitting(text, schema, text)

    @staticmethod
    def _fitting(text: str, schema: Mapping[str, Any], otherwise: str) -> str:
        text = text.ljust(int(schema.get("minLength", 0)), "x")
        longest = schema.get("maxLength")
        if longest is not None and len(text) > longest:
            # The number at the end is what makes it another; the last of its digits, most of all.
            tail = text.rpartition(" ")[2]
            text = (text[: max(0, longest - len(tail))] + tail)[-longest:] if longest else ""
        pattern = schema.get("pattern")
        return otherwise if pattern and not _matches(pattern, text) else text

    def _number(self, schema: Mapping[str, Any], kind: str) -> int | float:
        least = schema.get("minimum")
        if least is None and "exclusiveMinimum" in schema:
            least = schema["exclusiveMinimum"] + 1
        most = schema.get("maximum")
        if most is None and "exclusiveMaximum" in schema:
            most = schema["exclusiveMaximum"] - 1
        made = 1 if least is None else least
        if self.varied:
            other = made + _APART + next(self._numbers)
            made = other if most is None or other <= most else made
        if most is not None and made > most:
            made = most
        above, below = schema.get("exclusiveMinimum"), schema.get("exclusiveMaximum")
        if above is not None and below is not None and not above < made < below:
            made = (above + below) / 2
        step = schema.get("multipleOf")
        if step:
            made = made + (-made % step)
        return int(made) if kind == "integer" else float(made)


def _matches(pattern: str, text: str) -> bool:
    """Tell whether it does; a pattern in another dialect than Python's matches nothing."""
    try:
        return re.search(pattern, text) is not None
    except re.error:
        return False


def _of_pattern(pattern: str, schema: Mapping[str, Any]) -> str:
    """Return a text of the pattern and of the schema's length, or nothing where none is found."""
    least, most = int(schema.get("minLength", 0)), schema.get("maxLength", 10_000)
    # Hypothesis writes its caches into the current folder, which is the person's.
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore", NonInteractiveExampleWarning)
        set_hypothesis_home_dir(folder)
        try:
            for whole in (True, False):
                texts = strategies.from_regex(pattern, fullmatch=whole)
                try:
                    return str(texts.filter(lambda text: least <= len(text) <= most).example())
                except HypothesisException:
                    continue
        except re.error:
            pass
        finally:
            set_hypothesis_home_dir(None)
    return ""
