"""What happens to Stanchion when there is more: rows, clients, processes; and what it takes when idle."""

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from benchmarks.http.catalogue import Subject, subject
from benchmarks.http.cores import tree
from benchmarks.http.databases import Engine, Shelf
from benchmarks.http.load import Driver
from benchmarks.http.measuring import Bench, Sample, WrongAnswersError
from benchmarks.http.operations import GET, LIST_20
from benchmarks.http.report import NAMES
from benchmarks.http.turns import Load, in_turn, medians

MANY = 1_000_000
CONNECTIONS = (1, 16, 64)
_TURNS = 3
"""Loads of each kind, in turn: what else the machine does falls on all."""
_STARTS = 3
"""Servers of each kind whose memory is measured, in turn."""
_PLAIN = ("sqlmodel-def", "sqlmodel-async-session")
"""Beside whom: what FastAPI's own tutorial teaches, and the leanest of the others."""
_SETTLED = 2.0
"""Seconds after its first answers until a server is called idle."""
ENGINES: Sequence[Engine] = ("postgresql", "sqlite")
IMPORTS = (
    "import fastapi, sqlmodel",
    "import stanchion",
    "from stanchion import Database, Resource, install",
)


@dataclass(frozen=True)
class Fact:
    """One figure: what was measured, where, how much of what, and beside what (its ratio to that)."""

    name: str
    value: float
    unit: str
    ratio: float | None = None
    beside: str = ""


def rows(bench: Bench, folder: Path, many: int) -> Iterator[Fact]:
    """A list of 20 of `many` rows, beside one of 1,000."""
    deep = replace(bench, shelf=Shelf(folder, bench.postgres, many))
    for engine in ENGINES:
        ours = subject("stanchion", engine)
        with bench.serving(ours) as shallow, deep.serving(ours) as server:
            few, found = (
                one.total_cpu_us for one in _medians([(bench, shallow, LIST_20), (deep, server, LIST_20)])
            )
        yield Fact(f"list 20 of {many:,} rows, {NAMES[engine]}", found, "µs", found / few, "of 1,000 rows")


def connections(bench: Bench) -> Iterator[Fact]:
    """Reads by 1 to 64 clients at once: requests a second, CPU of a request, and the 99th percentile."""
    for engine in ENGINES:
        with bench.serving(subject("stanchion", engine)) as server:
            samples = _medians([(bench, server, replace(GET, connections=number)) for number in CONNECTIONS])
        alone = samples[0]
        for number, found in zip(CONNECTIONS, samples, strict=True):
            where = f"get, {number} client{'s' * (number > 1)}, {NAMES[engine]}"
            yield Fact(where, found.rps, "requests/s", found.rps / alone.rps, "1 client")
            yield Fact(f"{where}: CPU", found.cpu_us, "µs", found.cpu_us / alone.cpu_us, "1 client")
            yield Fact(f"{where}: 99th percentile", found.p99_ms, "ms")


def processes(bench: Bench) -> Iterator[Fact]:
    """Reads on SQLite by two processes and by one; neither is pinned, and the load is beside them."""
    free = replace(bench, server_cores=None, driver=Driver(None, bench.driver.name))
    sqlite = subject("stanchion", "sqlite")
    with free.serving(sqlite) as one, free.serving(sqlite, "--workers", "2") as two:
        for operation in (GET, LIST_20):
            alone, both = (found.rps for found in _medians([(free, one, operation), (free, two, operation)]))
            yield Fact(
                f"{operation.name}, 2 processes, SQLite", both, "requests/s", both / alone, "1 process"
            )


def memory(bench: Bench) -> Iterator[Fact]:
    """What a server takes that has answered a few requests: its own memory, not what it shares."""
    subjects = [subject(name, "postgresql") for name in (*_PLAIN, "stanchion")]
    # What the system counts as a process's own differs by some MB from one start to the next.
    taken = [[_memory(bench, one) for one in subjects] for _ in range(_STARTS)]
    *theirs, ours = map(statistics.median, zip(*taken, strict=True))
    for one, plain in zip(subjects[:-1], theirs, strict=True):
        yield Fact("memory of an idle server", ours, "MB", ours / plain, one.title)


def imports(rounds: int) -> Iterator[Fact]:
    """What an import takes: CPU of a new process, Python's own start included."""
    taken: dict[str, list[float]] = {code: [] for code in IMPORTS}
    for _ in range(rounds):
        for code in IMPORTS:
            taken[code].append(_cpu_of(code))
    theirs, *ours = (statistics.median(found) for found in taken.values())
    for code, found in zip(IMPORTS[1:], ours, strict=True):
        yield Fact(f"`{code}`", found * 1000, "ms of CPU", found / theirs, f"`{IMPORTS[0]}`")


def measure(bench: Bench, folder: Path, *, quick: bool, tell: Callable[[str], object]) -> list[Fact]:
    """Measure all of it; `quick` leaves out what takes a million rows or several processes."""
    parts: list[tuple[str, Callable[[], Iterator[Fact]]]] = [
        ("memory", lambda: memory(bench)),
        ("imports", lambda: imports(3 if quick else 11)),
    ]
    if not quick:
        parts += [
            ("connections", lambda: connections(bench)),
            ("processes", lambda: processes(bench)),
            ("rows", lambda: rows(bench, folder, MANY)),
        ]
    facts = []
    for name, part in parts:
        tell(f"growth: {name}")
        try:
            facts += list(part())
        except WrongAnswersError as error:
            tell(f"not measured: {error}")
    return facts


def markdown(facts: Sequence[Fact]) -> str:
    """Return the facts as a table."""
    lines = ["| what | figure | beside |", "| --- | ---: | --- |"]
    for fact in facts:
        beside = "" if fact.ratio is None else f"{fact.ratio:.2f} times {fact.beside}"
        value = f"{fact.value:,.0f}" if fact.value >= 100 else f"{fact.value:.3g}"
        lines.append(f"| {fact.name} | {value} {fact.unit} | {beside} |")
    return "\n".join(lines)


def as_json(facts: Sequence[Fact]) -> list[dict[str, object]]:
    """Return what a report holds of each."""
    return [asdict(fact) for fact in facts]


def _medians(loads: Sequence[Load]) -> list[Sample]:
    return medians(in_turn(loads, _TURNS))


def _memory(bench: Bench, of: Subject) -> float:
    with bench.serving(of) as server:
        for number in range(1, 101):
            server.ask("GET", f"/api/todos/{number}")
        time.sleep(_SETTLED)
        return float(sum(process.memory_full_info().uss for process in tree(server.pid))) / 1e6


def _cpu_of(code: str) -> float:
    process = subprocess.Popen([sys.executable, "-c", code])
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, code
    return usage.ru_utime + usage.ru_stime
