"""The gate, alone: which events pass, and how long an empty place holds up what comes after it."""

from datetime import UTC, datetime

from stanchion.database.changes import Event
from stanchion.events.gate import Gate
from stanchion.events.log import NOWHERE, Batch, Position

AT = Position(10, "0" * 8)


def batch(*places: int, horizon: int = 0, first: int = 1) -> Batch:
    """Return a batch of events at these places."""
    when = datetime.now(UTC)
    found = [
        Event(one, "word", "created", "1", None, None, None, "1", None, None, None, when) for one in places
    ]
    return Batch(found, first, horizon)


def passed(gate: Gate, batch: Batch) -> list[int]:
    return [event.id for event in gate.passed(batch)]


def test_what_follows_without_a_gap_passes() -> None:
    gate = Gate(AT, is_ordered=False)
    assert passed(gate, batch(11, 12, 13)) == [11, 12, 13]
    assert (gate.position.place, gate.is_held, gate.wants_fence) == (13, False, False)
    assert passed(gate, batch()) == []


def test_a_gap_holds_until_all_have_ended_that_could_fill_it() -> None:
    gate = Gate(AT, is_ordered=False)
    assert passed(gate, batch(11, 13, 14)) == [11]
    assert gate.wants_fence
    gate.fence(700)
    assert not gate.wants_fence
    assert passed(gate, batch(13, 14, horizon=699)) == []
    assert gate.is_held
    assert not gate.wants_fence  # one number is enough
    assert passed(gate, batch(13, 14, 15, horizon=700)) == [13, 14, 15]
    assert not gate.is_held


def test_what_fills_a_gap_passes_first() -> None:
    gate = Gate(AT, is_ordered=False)
    assert passed(gate, batch(12)) == []
    gate.fence(700)
    assert passed(gate, batch(11, 12, horizon=3)) == [11, 12]
    assert not gate.is_held


def test_a_gap_that_was_not_seen_when_the_fence_was_taken_wants_one_of_its_own() -> None:
    gate = Gate(AT, is_ordered=False)
    passed(gate, batch(12))
    gate.fence(700)
    assert passed(gate, batch(12, 14, horizon=700)) == [12]
    assert gate.wants_fence
    gate.fence(800)
    assert passed(gate, batch(14, horizon=799)) == []
    assert passed(gate, batch(14, horizon=800)) == [14]


def test_a_gap_below_what_was_seen_shares_its_fence() -> None:
    gate = Gate(AT, is_ordered=False)
    passed(gate, batch(12, 14, 16))
    gate.fence(700)
    assert passed(gate, batch(12, 14, 16, horizon=701)) == [12, 14, 16]


def test_where_they_end_in_order_a_gap_is_none() -> None:
    gate = Gate(AT, is_ordered=True)
    assert passed(gate, batch(12, 15)) == [12, 15]


def test_what_was_trimmed_is_waited_for_no_more() -> None:
    gate = Gate(NOWHERE, is_ordered=False)
    assert passed(gate, batch(30, 31, 33, first=30)) == [30, 31]
    assert gate.wants_fence
