"""A logger for lines that each request leaves: it costs little where nobody wants them."""

import logging
from collections.abc import Callable, Sequence
from contextvars import ContextVar, copy_context
from typing import Any

import structlog


class Log:
    """Writes to a structlog logger, which is bound once: to bind takes longer than to be silent."""

    def __init__(self, name: str) -> None:
        self._logger = structlog.stdlib.get_logger(name)
        self._processors: Sequence[Any] | None = None
        self._bound: Any = None
        self._is_heard: Callable[[int], bool] | None = None
        """What the standard library's logger says of a level, where it is one."""

    def info(self, event: str, **values: Any) -> None:
        """Write a line, as structlog is configured now."""
        if (logger := self.heard()) is not None:
            logger.info(event, **values)

    def heard(self) -> Any:
        """Return what a line is written to, None where its level would drop it: then nothing need be said."""
        processors = structlog.get_config()["processors"]
        if processors is not self._processors:
            self._processors, self._bound = processors, self._logger.bind()
            is_standard = isinstance(self._bound, structlog.stdlib.BoundLogger)
            own = self._bound._logger if is_standard else None  # it may be structlog's own, which prints
            self._is_heard = getattr(own, "isEnabledFor", None)
        if (
            self._is_heard is not None
            and processors
            and processors[0] is structlog.stdlib.filter_by_level
            and not self._is_heard(logging.INFO)
        ):
            return None
        return self._bound


_variables: dict[str, ContextVar[Any]] = {}


def bound(name: str) -> Any:
    """Return what is bound to each line under a name, None where nothing is.

    structlog gives it among all others, of which it makes a list each time.
    """
    variable = _variables.get(name)
    if variable is None:
        value = structlog.contextvars.get_contextvars().get(name)
        for one in copy_context():
            if one.name == structlog.contextvars.STRUCTLOG_KEY_PREFIX + name:
                _variables[name] = one
        return value
    found = variable.get(None)
    return None if found is Ellipsis else found
