"""Stanchion beside the floor, more closely than by rounds: both are up, and are asked in turn."""

import statistics
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace

from benchmarks.http.catalogue import subject
from benchmarks.http.measuring import Bench, Sample, WrongAnswersError
from benchmarks.http.operations import operations
from benchmarks.http.serving import DidNotStartError
from benchmarks.http.turns import in_turn

_KINDS = {
    "Server CPU": "cpu",
    "CPU of the server and PostgreSQL": "total_cpu",
    "99th percentile": "p99",
}


@dataclass(frozen=True)
class Distance:
    """How far from the floor an operation is: medians of the ratios of `pairs` pairs of loads."""

    operation: str
    cpu: float
    total_cpu: float
    p99: float
    pairs: int

    @classmethod
    def of(cls, operation: str, pairs: Sequence[Sequence[Sample]]) -> "Distance":
        """Compare the second of each pair with the first, the floor."""

        def ratio(figure: Callable[[Sample], float]) -> float:
            return round(statistics.median(figure(ours) / figure(floor) for floor, ours in pairs), 3)

        return cls(
            operation,
            cpu=ratio(lambda one: one.cpu_us),
            total_cpu=ratio(lambda one: one.total_cpu_us),
            p99=ratio(lambda one: one.p99_ms),
            pairs=len(pairs),
        )


def measure(bench: Bench, pairs: int, *, tell: Callable[[str], object]) -> list[Distance]:
    """Measure each operation on PostgreSQL, in so many pairs; from one that fails on, none."""
    found = []
    floor, ours = (subject(name, "postgresql") for name in ("floor", "stanchion"))
    warm = replace(bench, warm_up=0)
    try:
        with bench.serving(floor) as lowest, bench.serving(ours) as server:
            for operation in operations("postgresql"):
                tell(f"beside the floor: {operation.name}")
                for one in (lowest, server):
                    bench.sample(one, operation)  # what it warms is warm from now on
                loads = [(warm, one, operation) for one in (lowest, server)]
                found.append(Distance.of(operation.name, in_turn(loads, pairs)))
    except (WrongAnswersError, DidNotStartError) as error:
        tell(f"not measured: {error}")
    return found


def markdown(found: Sequence[Distance]) -> str:
    """Return the ratios as a table, under a line that says what they are."""
    if not found:
        return "It was not measured."
    pairs = found[0].pairs
    lines = [
        f"Times the floor's, on PostgreSQL; medians of {pairs} pairs of loads:",
        "",
        f"| Stanchion, the template | {' | '.join(one.operation for one in found)} |",
        f"| --- |{' ---: |' * len(found)}",
    ]
    for title, name in _KINDS.items():
        lines.append(f"| {title} | {' | '.join(f'{getattr(one, name):.2f}' for one in found)} |")
    return "\n".join(lines)


def as_json(found: Sequence[Distance]) -> list[dict[str, object]]:
    """Return what a report holds of each."""
    return [asdict(one) for one in found]
