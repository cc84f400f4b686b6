"""Where coverage measures the agent, and where not."""

import pytest

MEASURED = (
    "test_agent.py",
    "test_events_and_databases.py",
    "test_expired.py",
    "test_naive.py",
    "test_scratch.py",
)
"""Together they run all of it."""


@pytest.fixture(autouse=True)
def agent_is_measured_once(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave coverage.py out of the agent's process elsewhere: with it a start takes twice the time."""
    if request.node.path.name not in MEASURED:
        for name in ("COVERAGE_PROCESS_CONFIG", "COVERAGE_PROCESS_START"):
            monkeypatch.delenv(name, raising=False)
