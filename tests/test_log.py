"""A logger that is bound once writes what structlog's own would, however that is configured meanwhile."""

import logging
from collections.abc import Callable, Iterator
from contextvars import copy_context
from typing import Any

import pytest
import structlog
from structlog.testing import CapturingLogger, capture_logs
from structlog.typing import EventDict

from stanchion.log import Log, bound

KEPT = "tests.log"


def keep(into: list[EventDict]) -> Callable[..., str]:
    def keep(_: Any, __: str, event: EventDict) -> str:
        into.append(dict(event))
        return ""

    return keep


def configured(*processors: Any, **options: Any) -> None:
    structlog.configure(
        processors=list(processors),
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
        **options,
    )


def test_a_line_is_written_as_structlog_is_configured_then() -> None:
    log = Log(KEPT)
    first: list[EventDict] = []
    second: list[EventDict] = []
    configured(keep(first))
    log.info("one", id=1)
    log.info("two")
    configured(structlog.contextvars.merge_contextvars, keep(second))
    with structlog.contextvars.bound_contextvars(request_id="a"):
        log.info("three")
    assert first == [{"event": "one", "id": 1}, {"event": "two"}]
    assert second == [{"event": "three", "request_id": "a"}]


def test_captured_lines_are_seen_before_and_after_another_one() -> None:
    log = Log(KEPT)
    said: list[EventDict] = []
    configured(keep(said))
    for turn in range(2):
        log.info("outside", turn=turn)
        with capture_logs() as captured:
            log.info("inside", turn=turn)
        assert captured == [{"event": "inside", "turn": turn, "log_level": "info"}]
    assert [line["turn"] for line in said] == [0, 1]


@pytest.fixture
def named() -> Iterator[logging.Logger]:
    """The logger, which is left as it was."""
    named = logging.getLogger(KEPT)
    yield named
    named.setLevel(logging.NOTSET)
    named.disabled = False


@pytest.mark.parametrize("level", [logging.INFO, logging.WARNING])
def test_a_line_that_its_level_would_drop_reaches_no_processor(level: int, named: logging.Logger) -> None:
    said: list[EventDict] = []
    configured(structlog.stdlib.filter_by_level, keep(said))
    log = Log(KEPT)
    named.setLevel(level)
    log.info("line")
    expected = [{"event": "line"}] * (level == logging.INFO)
    assert said == expected
    named.disabled = True
    log.info("line")
    assert said == expected


def test_loggers_that_are_none_of_logging() -> None:
    own = CapturingLogger()
    structlog.configure(
        processors=[structlog.stdlib.filter_by_level, lambda _, __, event: event["event"]],
        wrapper_class=structlog.make_filtering_bound_logger(0),
        logger_factory=lambda *_: logging.getLogger(KEPT),
    )
    log = Log(KEPT)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(logging.getLogger(KEPT), "disabled", True)
        log.info("dropped by the processor")
    structlog.configure(processors=[], logger_factory=lambda *_: own)
    log.info("none drops it")
    assert [(call.method_name, call.kwargs) for call in own.calls] == [("info", {"event": "none drops it"})]


def test_no_processors_from_the_beginning() -> None:
    own = CapturingLogger()
    structlog.configure(processors=(), wrapper_class=structlog.BoundLogger, logger_factory=lambda *_: own)
    Log(KEPT).info("line", id=1)
    assert [call.kwargs for call in own.calls] == [{"event": "line", "id": 1}]


def test_what_is_bound_is_known_by_its_name() -> None:
    def within() -> None:
        assert bound("of_this_test") is None
        before = structlog.contextvars.bind_contextvars(of_this_test="one", other="else")
        assert [bound("of_this_test") for _ in range(2)] == ["one", "one"]
        structlog.contextvars.bind_contextvars(of_this_test="two")
        assert bound("of_this_test") == "two"
        structlog.contextvars.reset_contextvars(**before)
        assert bound("of_this_test") is None
        structlog.contextvars.bind_contextvars(of_this_test="three")
        structlog.contextvars.clear_contextvars()
        assert bound("of_this_test") is None

    copy_context().run(within)


def test_a_logger_that_prints_has_no_level(capsys: pytest.CaptureFixture[str]) -> None:
    structlog.configure(
        processors=[structlog.processors.JSONRenderer()],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.PrintLoggerFactory(),
    )
    Log(KEPT).info("line", id=1)
    assert capsys.readouterr().out == '{"id": 1, "event": "line"}\n'
