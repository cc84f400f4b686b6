"""The text of reports: what the backend answered made harmless, cut, and summed up."""

import math
import re
from collections.abc import Collection

from stanchion.gate.model import Exercised, Finding, Report, Verdict

# Controls (not tab and line feed), what turns the direction of text, line separators, and lone surrogates.
_INVISIBLE = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]"
)


def visible(text: str) -> str:
    """Return the text with what acts on a terminal or hides written out: `\\x1b`. Lines end in `\\n`."""
    return _INVISIBLE.sub(
        lambda match: (
            match[0].encode("ascii", "backslashreplace").decode()
            if ord(match[0]) > 0x7F
            else f"\\x{ord(match[0]):02x}"
        ),
        text.replace("\r\n", "\n"),
    )


def cut(text: str, *, lines: int, characters: int) -> tuple[str, int]:
    """Return the start of the text, and how many characters are left out."""
    text = text.strip("\r\n")
    shown = "\n".join(text[:characters].split("\n")[:lines])
    return shown, len(text) - len(shown)


def place(finding: Finding) -> str:
    """Return `main.py:12`, `main.py`, or nothing."""
    return f"{finding.file}:{finding.line}" if finding.file and finding.line else finding.file


def percent(part: float) -> int:
    """Return whole percents, rounded down: 99.6 % is not all."""
    return math.floor(round(part * 100, 6))


def summary(report: Report) -> str:
    """Return the report in one line."""
    found = f"{report.count(Verdict.proven)} proven, {report.count(Verdict.suspected)} suspected"
    return f"{verified(report)}; {found}; {report.seconds:.1f} s"


def verified(report: Report) -> str:
    """Return the score with what it is of; where rules could not run, what was verified comes first."""
    part = percent(report.verified)
    whole = f"{part} % of the rules that apply verified"
    if report.score is None:
        return f"No score; {whole}"
    score = f"score {report.score} of 100"
    if report.verified == 1:
        return f"{score.capitalize()}; {whole}"
    if report.count(Verdict.proven) or report.count(Verdict.suspected):
        return f"{whole}; {score} by them"
    return (
        f"Nothing wrong found in the {part} % that could be verified of the rules that apply; {score} by them"
    )


def doubt(report: Report) -> str:
    """Return why the score says little or nothing; empty where it does."""
    if not report.verified:
        return "Nothing could be checked."
    return f"The app {report.error}." if report.error else ""


def exercised(operations: Collection[Exercised]) -> str:
    """Return the matrix in one line."""
    succeeded = sum(bool(row.succeeded) for row in operations)
    refused = sum(bool(row.refused) for row in operations)
    gaps = sum(bool(row.why) for row in operations)
    what = "nothing is missing" if not gaps else f"of {gaps} something is missing"
    return f"{succeeded} of {len(operations)} were seen to succeed, {refused} to refuse; {what}"
