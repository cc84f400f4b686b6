"""The picture of the comparison: bars of server CPU per request, as SVG."""

from collections.abc import Iterator, Sequence
from html import escape

from benchmarks.http.report import Table

_WIDTH, _LABEL, _ROW, _BAR = 860, 290, 22, 14
_TOP, _GAP = 58, 40
_OURS, _FLOOR, _OTHERS = "#2f6f4f", "#9aa5ad", "#c98a3d"
_STYLE = (
    "text{font:13px system-ui,sans-serif;fill:#24292f}.head{font-weight:600}"
    ".small{font-size:11.5px;fill:#57606a}"
    "@media(prefers-color-scheme:dark){text{fill:#d7dde3}.small{fill:#9aa5ad}}"
)


def svg(table: Table, operations: Sequence[str]) -> str:
    """Draw one group of bars for each operation, the least CPU first, with the ratio to the floor."""
    parts: list[str] = []
    y = _TOP
    for operation in operations:
        bars = _bars(table, operation)
        parts.append(f'<text class="head" x="12" y="{y}">{escape(operation)}</text>')
        parts.extend(_group(bars, y + 12))
        y += 12 + _ROW * len(bars) + _GAP
    title = "Server CPU per request: µs, and times the floor (less is better)"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {y - _GAP + 16}" role="img">'
        f"<title>{title}</title><style>{_STYLE}</style>"
        f'<text class="head" x="12" y="24">{title}</text>{"".join(parts)}</svg>\n'
    )


def _bars(table: Table, operation: str) -> list[tuple[str, str, float, float]]:
    """Return subject, title, microseconds and ratio of those that are not void."""
    found = []
    for name, title in table.titles.items():
        result, ratio = table.cells.get((name, operation)), table.ratio(name, operation)
        if result is not None and result.cpu_us and ratio is not None:
            found.append((name, title.replace("`", ""), result.cpu_us, ratio))
    return sorted(found, key=lambda one: one[2])


def _group(bars: Sequence[tuple[str, str, float, float]], y: int) -> Iterator[str]:
    longest = max((taken for _, _, taken, _ in bars), default=1.0)
    room = _WIDTH - _LABEL - 120
    for number, (name, title, taken, ratio) in enumerate(bars):
        top = y + number * _ROW
        width = max(1.0, taken / longest * room)
        colour = _FLOOR if name == "floor" else _OURS if name.startswith("stanchion") else _OTHERS
        text = top + _BAR - 3
        yield f'<text x="{_LABEL - 8}" y="{text}" text-anchor="end">{escape(title)}</text>'
        yield f'<rect x="{_LABEL}" y="{top}" width="{width:.1f}" height="{_BAR}" rx="2" fill="{colour}"/>'
        end = _LABEL + width + 6
        yield f'<text class="small" x="{end:.1f}" y="{text}">{taken:.0f} µs, {ratio:.1f} x</text>'
