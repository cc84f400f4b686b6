"""For tests of documentation: the blocks of a page, and whether an answer is what the page shows."""

import json
import re
from pathlib import Path
from typing import Any
from urllib.error import HTTPError

from tests.serving import paste

_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(page: Path) -> list[tuple[str, str]]:
    """Return the fenced blocks of a page, each with its language."""
    return _BLOCK.findall(page.read_text(encoding="utf-8"))


def answered(line: str) -> Any:
    """Do what a line with curl says, and return the JSON of the answer, or its text where it is none."""
    try:
        return paste(line)
    except HTTPError as refused:
        body = refused.read().decode()
        return json.loads(body) if "json" in refused.headers["Content-Type"] else body


def shown(answer: Any, expected: Any) -> Any:
    """Return of an answer what a page shows of it: the members that it names, and not what it leaves open."""
    if isinstance(expected, dict) and isinstance(answer, dict):
        return {name: shown(answer[name], value) for name, value in expected.items() if name in answer}
    if isinstance(expected, list) and isinstance(answer, list) and len(answer) == len(expected):
        return [shown(one, other) for one, other in zip(answer, expected, strict=True)]
    return expected if expected == "..." else answer
