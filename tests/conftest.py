"""For every test: the plugin of the library, asyncio alone under anyio, and logging left as it was."""

import faulthandler
import gc
import logging
import os
from collections.abc import Generator, Iterator, MutableMapping
from typing import Any

import pytest
import structlog
from structlog.testing import capture_logs

COVERAGE = ("COVERAGE_PROCESS_CONFIG", "COVERAGE_PROCESS_START")
"""What tells coverage.py in another process to begin."""

pytest_plugins = ["stanchion.testing.plugin", "tests.backend", "tests.databases"]


class _AtOnce:
    """Prints each failure when it happens: a run that is ended from outside has told it by then."""

    def __init__(self, config: pytest.Config) -> None:
        self.config = config

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        reporter: Any = self.config.pluginmanager.get_plugin("terminalreporter")
        if report.failed and reporter is not None:
            reporter.ensure_newline()
            reporter.write_line(f"{report.nodeid}: {report.when} failed\n{report.longreprtext}")


def pytest_configure(config: pytest.Config) -> None:
    """Only where reports are gathered, not in the processes of xdist that send them."""
    if hasattr(config, "workerinput"):
        return
    config.pluginmanager.register(_AtOnce(config))
    if config.getoption("numprocesses", None):
        # This process runs no test. A run that is six times as long as it may be ends, and says so.
        faulthandler.dump_traceback_later(2400, exit=True)


def pytest_collection_finish() -> None:
    """What is there by now stays: the collector need not walk it again, test after test, nor run so often."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Measure coverage in the processes that a test starts only where it is marked: it doubles their time."""
    names = () if item.get_closest_marker("measured") else COVERAGE
    taken = {name: os.environ.pop(name) for name in names if name in os.environ}
    try:
        return (yield)
    finally:
        os.environ.update(taken)


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
