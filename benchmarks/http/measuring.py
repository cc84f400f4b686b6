"""One subject after the other, round after round, and the medians of what was measured."""

import statistics
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass

from benchmarks.http.catalogue import Subject
from benchmarks.http.cores import Cores, cpu_seconds
from benchmarks.http.databases import Engine, Shelf
from benchmarks.http.load import Driver
from benchmarks.http.operations import Operation, operations
from benchmarks.http.sameness import differences
from benchmarks.http.serving import DidNotStartError, Server, serving

from stanchion.testing.postgres import PostgresServer


@dataclass(frozen=True)
class Sample:
    """One measurement: µs of CPU per request, of the server and of PostgreSQL, and what the clients saw."""

    cpu_us: float
    db_cpu_us: float
    rps: float
    p50_ms: float
    p99_ms: float
    errors: int

    @property
    def total_cpu_us(self) -> float:
        """Both together: what the server hands over to the database is not gone."""
        return self.cpu_us + self.db_cpu_us


@dataclass(frozen=True)
class Result:
    """The medians of a subject's samples for one operation; None where it is void: an answer was no 2xx."""

    subject: str
    operation: str
    database: Engine
    cpu_us: float | None
    db_cpu_us: float | None
    rps: float | None
    p50_ms: float | None
    p99_ms: float | None
    errors: int

    @classmethod
    def of(cls, subject: Subject, operation: str, samples: Sequence[Sample]) -> "Result":
        """Take the medians. A subject without its own database process has no figure for that."""
        errors = sum(sample.errors for sample in samples)
        found: dict[str, float | None] = {
            name: None if errors else round(statistics.median(getattr(sample, name) for sample in samples), 3)
            for name in ("cpu_us", "db_cpu_us", "rps", "p50_ms", "p99_ms")
        }
        if subject.engine == "sqlite":
            found["db_cpu_us"] = None
        return cls(subject.name, operation, subject.engine, errors=errors, **found)


class WrongAnswersError(Exception):
    """A subject does not answer as the others do: a sentence for each answer."""


@dataclass(frozen=True)
class Bench:
    """What every measurement needs. `seconds` is of one load; `warm_up` of the load before it."""

    shelf: Shelf
    driver: Driver
    postgres: PostgresServer | None
    peers: str
    server_cores: Cores | None
    seconds: float
    warm_up: float

    def check(self, subject: Subject) -> None:
        """Raise WrongAnswersError where a subject answers otherwise than it should."""
        with self.serving(subject) as server:
            self._same(server)

    def measure(self, subject: Subject) -> dict[str, Sample]:
        """Check a subject, and measure it once in each operation, by its name."""
        with self.serving(subject) as server:
            self._same(server)
            return {
                operation.name: self.sample(server, operation) for operation in operations(subject.engine)
            }

    def sample(self, server: Server, operation: Operation) -> Sample:
        """Warm the server up, and measure one load."""
        if self.warm_up:
            self.driver.drive(server, operation, self.warm_up)
        before = self._taken(server)
        figures = self.driver.drive(server, operation, self.seconds)
        cpu, database = (after - first for after, first in zip(self._taken(server), before, strict=True))
        requests = max(figures.requests, 1)
        return Sample(
            cpu_us=cpu / requests * 1e6,
            db_cpu_us=database / requests * 1e6,
            rps=figures.requests / figures.seconds,
            p50_ms=figures.p50_ms,
            p99_ms=figures.p99_ms,
            errors=figures.errors + (figures.requests == 0),
        )

    @contextmanager
    def serving(self, subject: Subject, *extra: str) -> Iterator[Server]:
        """Serve a subject over a database of its own, which is gone at the end; `extra` are options more."""
        database = self.shelf.copy(subject.engine, subject.schema)
        try:
            with serving(subject, database, peers=self.peers, cores=self.server_cores, extra=extra) as server:
                yield server
        finally:
            self.shelf.drop(database)

    def _same(self, server: Server) -> None:
        if found := differences(server):
            raise WrongAnswersError(f"{server.subject.name} on {server.subject.engine}: {' '.join(found)}")

    def _taken(self, server: Server) -> tuple[float, float]:
        database = cpu_seconds(self.postgres.pid) if self.postgres is not None else 0.0
        return cpu_seconds(server.pid), database


def compare(
    bench: Bench,
    subjects: Iterable[Subject],
    rounds: int,
    *,
    until: float = float("inf"),
    tell: Callable[[str], object] = print,
) -> tuple[list[Result], list[str]]:
    """Measure all subjects in turn, `rounds` times, so that what else the machine does falls on all of them.

    Returns the results, and why the subjects that answered wrongly, or not at all, have none. No round
    begins that would not end before `until` (of time.monotonic), if it takes as long as the one before.
    """
    samples: dict[Subject, dict[str, list[Sample]]] = {subject: {} for subject in subjects}
    excluded: list[str] = []
    for number in range(rounds):
        began = time.monotonic()
        for subject in list(samples):
            tell(f"round {number + 1} of {rounds}: {subject.name} on {subject.engine}")
            try:
                measured = bench.measure(subject)
            except (WrongAnswersError, DidNotStartError) as error:
                tell(f"not measured: {error}")
                excluded.append(str(error))
                del samples[subject]
                continue
            for operation, sample in measured.items():
                samples[subject].setdefault(operation, []).append(sample)
        if time.monotonic() + (time.monotonic() - began) > until:
            break
    results = [
        Result.of(subject, operation, taken)
        for subject, found in samples.items()
        for operation, taken in found.items()
    ]
    return results, excluded


def as_json(results: Iterable[Result]) -> list[dict[str, object]]:
    """Return what a report holds of each."""
    return [asdict(result) for result in results]
