"""The cells of a CSV file: values as text, and text that no spreadsheet takes for a formula."""

import json
import re
from typing import Any

_BEGINS_A_FORMULA = "=+-@\t\r\n\uff1d\uff0b\uff0d\uff20"
"""OWASP, "CSV Injection"; the last four are the wide forms of the first."""
_NUMBER = re.compile(r"-\d+(\.\d+)?(e[+-]?\d+)?", re.ASCII | re.IGNORECASE)
_GUARD = "'"
EMPTY = _GUARD
"""An empty text, where an empty cell would stand for none."""


def cell(value: Any) -> str:
    """Return a value of JSON as the text of a cell: empty for null, JSON itself for what has parts."""
    if value is None:
        return ""
    if isinstance(value, str):
        return guarded(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return str(value)


def guarded(text: str) -> str:
    """Return a text with an apostrophe before it where a spreadsheet would compute it, as OWASP advises.

    A plain number (-5) stays. So does an apostrophe of the text's own, unless `unguarded` would take it off.
    """
    formula = text[:1] and text[0] in _BEGINS_A_FORMULA and not _NUMBER.fullmatch(text)
    return f"{_GUARD}{text}" if formula or _has_guard(text) else text


def unguarded(text: str) -> str:
    """Return what `guarded` was given."""
    return text[1:] if _has_guard(text) else text


def _has_guard(text: str) -> bool:
    return text.startswith(_GUARD) and (len(text) == 1 or text[1] in _BEGINS_A_FORMULA + _GUARD)
