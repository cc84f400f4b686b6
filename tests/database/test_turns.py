"""Turns: whoever writes again and again waits for those that waited before, and for nobody else."""

import threading

import pytest

from stanchion.database.turns import Turns


class Waiting:
    """A thread that waits for the file until it is told that it has it."""

    def __init__(self, turns: Turns) -> None:
        self._begun, self._has_it = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._wait, args=[turns], daemon=True)
        self._thread.start()
        assert self._begun.wait(10)

    def _wait(self, turns: Turns) -> None:
        with turns.waiting():
            self._begun.set()
            self._has_it.wait(10)

    def end(self) -> None:
        self._has_it.set()
        self._thread.join(10)


def letting(turns: Turns, seconds: float) -> threading.Thread:
    """Let others, in a thread, which is returned."""
    thread = threading.Thread(target=turns.let_others, args=[seconds], daemon=True)
    thread.start()
    return thread


def has_ended(thread: threading.Thread, within: float = 10.0) -> bool:
    thread.join(within)
    return not thread.is_alive()


def test_those_that_come_later_are_not_waited_for() -> None:
    turns = Turns()
    first, second = Waiting(turns), Waiting(turns)
    thread = letting(turns, 60.0)
    first.end()
    assert not has_ended(thread, within=0.05)  # one of the two that it found still waits
    later = Waiting(turns)
    second.end()
    assert has_ended(thread)
    later.end()


def test_nobody_is_waited_for_longer_than_is_said() -> None:
    turns = Turns()
    stuck = Waiting(turns)
    assert has_ended(letting(turns, 0.01), within=5.0)
    stuck.end()


def test_one_that_fails_waits_no_longer() -> None:
    turns = Turns()
    with pytest.raises(OSError, match="full"), turns.waiting():
        raise OSError("full")
    assert has_ended(letting(turns, 60.0))
