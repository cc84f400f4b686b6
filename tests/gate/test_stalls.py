"""How long a thread waited for a processor: that is the machine's, and no stall of the app's."""

import threading

from stanchion.gate.agent.recording import _kept_waiting


def test_what_the_system_does_not_tell_is_nothing() -> None:
    assert _kept_waiting(None) == 0.0
    assert _kept_waiting(2**31 - 1) == 0.0  # there is no such thread


def test_it_only_grows() -> None:
    native = threading.get_native_id()
    first = _kept_waiting(native)
    for _ in range(1_000):
        sum(range(100))
    assert 0.0 <= first <= _kept_waiting(native)
