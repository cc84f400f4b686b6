"""Logging: one structured line for each thing that matters, with the request's id, and no secret."""

import logging
import re
import sys
import time
from collections.abc import Mapping
from io import StringIO
from typing import Any, Literal, TextIO

import structlog
from fastapi import FastAPI
from starlette.types import ASGIApp, Receive, Scope, Send
from structlog.typing import EventDict, ExcInfo, Processor

from stanchion.errors import request_id
from stanchion.exchange import Exchange, put
from stanchion.log import Log
from stanchion.place import place

Format = Literal["auto", "json", "console"]
"""How lines are written; auto is console in a development terminal, and JSON anywhere else."""

_HIDDEN = "[redacted]"
_SECRET_NAMES = re.compile(
    r"password|passwd|secret|token|authorization|cookie|credential|^(x[-_])?(api[-_]?)?key$|dsn|database_url",
    re.IGNORECASE,
)
_SECRET_VALUES = re.compile(
    r"\bst_[a-z2-7]{8}_[A-Za-z0-9_-]{43}|(?<=://)[^/\s:@]*:[^/\s]+(?=@)|(?<=password=)[^\s&]+"
    r"|(?<=[?&]ticket=)[^\s&#\"']+"
)
"""An API key of ours, and of a URL the user, the password (also with a raw `@`) and the ticket, anywhere."""

_SHARED: list[Processor] = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_log_level,
    structlog.stdlib.add_logger_name,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
]
_PROCESSORS: list[Processor] = [
    structlog.stdlib.filter_by_level,
    *_SHARED,
    structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
]
"""One list for good: a logger that is bound keeps it, and `structlog.testing.capture_logs` changes it."""

access_log = Log("stanchion.access")
"""Where each request leaves its line."""


def configure(*, format: Format = "auto", level: str = "INFO") -> None:
    """Send every log line of the process, the server's and the libraries' too, through structlog.

    `json` is one object a line, `console` is for reading, `auto` is console where standard
    error is a terminal. Calling it again replaces what it did.
    """
    readable = format == "console" or (format == "auto" and sys.stderr.isatty())
    last: list[Processor] = (
        [
            redact,
            structlog.dev.ConsoleRenderer(
                colors=sys.stderr.isatty(), exception_formatter=_redacted_traceback
            ),
        ]
        if readable
        else [structlog.processors.format_exc_info, redact, structlog.processors.JSONRenderer(default=str)]
    )
    structlog.configure(
        processors=_PROCESSORS,
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*_SHARED, structlog.stdlib.ExtraAdder(), _drop_colours],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last],
        )
    )
    handler.addFilter(_once)
    root = logging.getLogger()
    # Plain handlers are ours from before, or basicConfig's; a subclass is somebody's own (pytest's, say).
    root.handlers[:] = [handler, *(one for one in root.handlers if type(one) is not logging.StreamHandler)]
    root.setLevel(level)
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access"):
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = name != "uvicorn.access"  # `request` lines say what it would, and more


def log_requests(app: FastAPI) -> None:
    """Give each request its id and its line in the access log: add it last, so that it is outermost."""
    app.add_middleware(RequestLogMiddleware)


class RequestLogMiddleware:
    """Binds the request's id to every log line, returns it as `X-Request-ID`, and logs the request.

    The line says method, route template (never the query: it may hold a ticket), status and
    duration in milliseconds.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started = time.perf_counter()
        identity = request_id(scope)
        exchange, send = Exchange.of(scope, send)
        exchange.shapes.append(lambda _, headers: put(headers, b"x-request-id", identity.encode()))
        before = structlog.contextvars.bind_contextvars(request_id=identity)
        try:
            await self.app(scope, receive, send)
        finally:
            if (log := access_log.heard()) is not None:
                log.info(
                    "request",
                    method=scope["method"],
                    route=route_template(scope),
                    status=exchange.status or 500,
                    duration_ms=round((time.perf_counter() - started) * 1000, 2),
                )
            try:  # noqa: SIM105 - `suppress` takes three calls, for each request
                structlog.contextvars.reset_contextvars(**before)
            except ValueError:  # what is thrown away unfinished is closed in another context
                pass


def route_template(scope: Scope) -> str:
    """Return `/api/todos/{todo_id}` for `/api/todos/7`, and the path itself where no route answered."""
    template = getattr(place(scope), "path_format", None)
    return template if isinstance(template, str) else str(scope["path"])


def redact(_: Any, __: str, event: EventDict) -> EventDict:
    """Replace the values of secret names, and secrets inside texts, however deep: a structlog processor."""
    # The traceback is the renderer's to format, and is redacted there.
    return {key: value if key == "exc_info" else _redacted(key, value) for key, value in event.items()}


def _redacted(name: str, value: Any) -> Any:
    if _SECRET_NAMES.search(name):
        return _HIDDEN
    if value is None or isinstance(value, int | float):
        return value
    if isinstance(value, Mapping):
        return {key: _redacted(str(key), item) for key, item in value.items()}
    if type(value) in (list, tuple):  # a named tuple, such as SQLAlchemy's URL, knows itself what to hide
        return [_redacted("", item) for item in value]
    return _SECRET_VALUES.sub(_HIDDEN, str(value))


def _redacted_traceback(output: TextIO, exc_info: ExcInfo) -> None:
    text = StringIO()
    structlog.dev.plain_traceback(text, exc_info)
    output.write(_SECRET_VALUES.sub(_HIDDEN, text.getvalue()))


def _drop_colours(_: Any, __: str, event: EventDict) -> EventDict:
    """Drop uvicorn's second copy of its message, the one with escape codes."""
    event.pop("color_message", None)
    return event


def _once(record: logging.LogRecord) -> bool:
    """Drop the server's own traceback of a crash that `stanchion.errors` has logged already."""
    exc = record.exc_info[1] if record.exc_info else None
    return record.name != "uvicorn.error" or not getattr(exc, "__stanchion_logged__", False)
