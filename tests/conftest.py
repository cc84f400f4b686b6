"""For every test: the plugin of the library, asyncio alone under anyio, and logging left as it was."""

import logging
from collections.abc import Iterator, MutableMapping
from typing import Any

import pytest
import structlog
from structlog.testing import capture_logs

pytest_plugins = ["stanchion.testing.plugin", "tests.backend"]


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(autouse=True)
def logging_as_before() -> Iterator[None]:
    """Undo `stanchion.logging.configure`, which is for the whole process."""
    root = logging.getLogger()
    level = root.level
    yield
    root.handlers[:] = [handler for handler in root.handlers if type(handler) is not logging.StreamHandler]
    root.setLevel(level)
    structlog.reset_defaults()


@pytest.fixture
def logged() -> Iterator[list[MutableMapping[str, Any]]]:
    """What the test logs, as structlog's events."""
    with capture_logs() as events:
        yield events
