"""Lines of code as a formatter lays them out: on one line, else broken at their brackets."""

WIDTH = 110
_PAIRS = {"(": ")", "[": "]", "{": "}"}


def laid_out(line: str, indent: int = 0, tail: str = "") -> str:
    """Return a line of code at an indent, broken at its last brackets if it is too long, and those within.

    What a call is given goes on a line of its own if that is long enough; of a list, each item does.
    """
    pad = " " * indent
    whole = f"{pad}{line}{tail}"
    brackets = _last_brackets(line) if len(whole) > WIDTH else None
    if brackets is None:
        return whole
    start, end = brackets
    inner, is_call = (
        line[start + 1 : end],
        line[start - 1 : start].isalnum() or line[start - 1 : start] in "_)]",
    )
    head, foot = f"{pad}{line[: start + 1]}", f"{pad}{line[end:]}{tail}"
    if start and is_call and indent + 4 + len(inner) <= WIDTH:
        return f"{head}\n{pad}    {inner}\n{foot}"
    body = "\n".join(laid_out(part, indent + 4, ",") for part in _parts(inner))
    return f"{head}\n{body}\n{foot}"


def _last_brackets(line: str) -> tuple[int, int] | None:
    """Return where the last brackets that are in no others open and close; None where there are none."""
    found, start = None, 0
    for place, character, depth in _outside_texts(line):
        if character in _PAIRS and depth == 1:
            start = place
        elif character in _PAIRS.values() and depth == 0:
            found = (start, place) if place > start + 1 else found
    return found


def _parts(inner: str) -> list[str]:
    """Return what commas separate."""
    commas = [place for place, character, depth in _outside_texts(inner) if character == "," and depth == 0]
    starts = [0, *(place + 1 for place in commas)]
    return [inner[start:end].strip() for start, end in zip(starts, [*commas, len(inner)], strict=True)]


def _outside_texts(line: str) -> list[tuple[int, str, int]]:
    """Return each character outside of a string, with its place and the brackets that are open after it."""
    found, depth, quote, escaped = [], 0, "", False
    for place, character in enumerate(line):
        if quote:
            quote = "" if character == quote and not escaped else quote
            escaped = character == "\\" and not escaped
        elif character in "\"'":
            quote = character
        else:
            depth += (character in _PAIRS) - (character in _PAIRS.values())
            found.append((place, character, depth))
    return found
