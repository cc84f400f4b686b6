"""Loads in turn: what differs from minute to minute falls on all that are compared."""

import statistics
from collections.abc import Sequence
from dataclasses import fields

from benchmarks.http.measuring import Bench, Sample, WrongAnswersError
from benchmarks.http.operations import Operation
from benchmarks.http.serving import Server

Load = tuple[Bench, Server, Operation]
"""What is asked of a server that is up."""

_FIGURES = [one.name for one in fields(Sample)]


def in_turn(loads: Sequence[Load], turns: int) -> list[list[Sample]]:
    """Put these loads on their servers in turn, so many times: what each turn has shown of them.

    Every second turn goes the other way round, so that nobody always comes after the same other.
    Raises WrongAnswersError where one of them was answered by anything but 2xx.
    """
    found = []
    for number in range(turns):
        step = -1 if number % 2 else 1
        found.append([bench.sample(server, operation) for bench, server, operation in loads[::step]][::step])
        for sample, (_, _, operation) in zip(found[-1], loads, strict=True):
            if sample.errors:
                raise WrongAnswersError(f"{operation.name}: {sample.errors:.0f} answers were no 2xx")
    return found


def medians(turns: Sequence[Sequence[Sample]]) -> list[Sample]:
    """Return the median of each figure of each load."""
    return [
        Sample(**{name: statistics.median(getattr(one, name) for one in found) for name in _FIGURES})
        for found in zip(*turns, strict=True)
    ]
