"""The results as tables in Markdown, and in the page that keeps them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.http.catalogue import SUBJECTS
from benchmarks.http.databases import Engine
from benchmarks.http.measuring import Result
from benchmarks.http.operations import operations

NAMES: Mapping[Engine, str] = {"postgresql": "PostgreSQL", "sqlite": "SQLite"}
_VOID = "void"


@dataclass(frozen=True)
class Table:
    """The results on one database, by subject and operation."""

    engine: Engine
    cells: Mapping[tuple[str, str], Result]

    @classmethod
    def of(cls, engine: Engine, results: Iterable[Result]) -> "Table":
        return cls(engine, {(one.subject, one.operation): one for one in results if one.database == engine})

    @property
    def operations(self) -> Sequence[str]:
        measured = {operation for _, operation in self.cells}
        return [one.name for one in operations(self.engine) if one.name in measured]

    @property
    def titles(self) -> Mapping[str, str]:
        """The subjects in the catalogue's order, by name."""
        measured = {subject for subject, _ in self.cells}
        return {one.name: one.title for one in SUBJECTS if one.engine == self.engine and one.name in measured}

    def ratio(self, subject: str, operation: str) -> float | None:
        """Return a subject's CPU per request beside the floor's; None where one of them is void."""
        ours, floor = (self.cells.get((name, operation)) for name in (subject, "floor"))
        if ours is None or floor is None or not ours.cpu_us or not floor.cpu_us:
            return None
        return ours.cpu_us / floor.cpu_us

    def cpu(self) -> str:
        """Return the server's CPU per request in microseconds, and in parentheses beside the floor's."""
        return self._rows(
            lambda subject, operation, one: f"{one.cpu_us:.0f}{self._beside(subject, operation)}"
        )

    def database_cpu(self) -> str:
        """Return the CPU per request in microseconds of PostgreSQL's processes."""
        return self._rows(lambda _, __, one: f"{one.db_cpu_us:.0f}")

    def clients(self) -> str:
        """Return what the clients saw: requests a second, and the median and 99th percentile in ms."""
        return self._rows(lambda _, __, one: f"{one.rps:.0f}; {one.p50_ms:.1f}, {one.p99_ms:.1f}")

    def _beside(self, subject: str, operation: str) -> str:
        ratio = self.ratio(subject, operation)
        return f" ({ratio:.1f})" if ratio is not None and subject != "floor" else ""

    def _rows(self, show: Any) -> str:
        lines = [
            f"| {NAMES[self.engine]} | {' | '.join(self.operations)} |",
            f"| --- |{' ---: |' * len(self.operations)}",
        ]
        for name, title in self.titles.items():
            found = [(operation, self.cells.get((name, operation))) for operation in self.operations]
            shown = [
                "" if one is None else _VOID if one.errors else show(name, operation, one)
                for operation, one in found
            ]
            lines.append(f"| {title} | {' | '.join(shown)} |")
        return "\n".join(lines)


def markdown(results: Sequence[Result]) -> str:
    """Return all tables, each under a line that says what it shows."""
    parts: list[str] = []
    for engine in NAMES:
        table = Table.of(engine, results)
        if not table.cells:
            continue
        parts += ["Server CPU per request in µs (beside the floor):", table.cpu()]
        if engine == "postgresql":
            parts += ["CPU of PostgreSQL per request in µs:", table.database_cpu()]
        parts += ["Requests a second; median and 99th percentile in ms:", table.clients()]
    return "\n\n".join(parts)


def write(page: Path, sections: Mapping[str, str]) -> None:
    """Replace the sections of a page, each between `<!-- NAME -->` and `<!-- /NAME -->`.

    Raises ValueError for one that the page does not have.
    """
    text = page.read_text(encoding="utf-8")
    for name, content in sections.items():
        opening, closing = f"<!-- {name} -->", f"<!-- /{name} -->"
        before, opened, rest = text.partition(opening)
        _, closed, after = rest.partition(closing)
        if not opened or not closed:
            raise ValueError(f"{page.name} has no section {name}.")
        text = f"{before}{opening}\n{content}\n{closing}{after}"
    page.write_text(text, encoding="utf-8")
