"""What happens inside the app while it answers one request."""

import asyncio
import functools
import logging
import sys
import threading
import time
import traceback
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from pathlib import Path
from typing import Any

from . import guard, loading

HEADER = b"x-stanchion-check"
"""Carries the number of a request; the app does not see it."""
KEPT = b"x-stanchion-kept"
"""Of an answer: what the guard kept the app from while it made it."""

_STALL = 0.03
"""Seconds for which the event loop does not come round, until its stack is looked at."""

_records: dict[int, dict[str, Any]] = {}
_current: ContextVar["dict[str, Any] | None"] = ContextVar("stanchion_check_record", default=None)
_running: list[dict[str, Any]] = []
_pool = {"connects": 0, "out": 0, "loop": 0}
"""Connections opened, connections out of their pools, and the thread of the event loop."""

_LISTS = (list, tuple, type(iter(list[Any]())), type(iter(tuple[Any]())))

Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


def records(numbers: list[int], waited: list[int], patience: float) -> list[dict[str, Any] | None]:
    """Hand over what was recorded of these requests; None where nothing arrived.

    An app goes on when the answer is out: it commits, closes, raises what it has answered 500 for. The end
    of those in `waited` is waited for, for `patience` seconds in all.
    """
    until = time.monotonic() + patience
    waiting = [_records[one] for one in waited if one in _records]
    while time.monotonic() < until and any(one["ended_at"] is None for one in waiting):
        time.sleep(0.002)
    return [_records.pop(number, None) for number in numbers]


def ended(number: int, patience: float) -> bool:
    """Wait until the app is done with a request, for so many seconds; tell whether it is."""
    until = time.monotonic() + patience
    while (record := _records.get(number)) and record["ended_at"] is None:
        if time.monotonic() > until:
            return False
        time.sleep(0.01)
    return True


def pool() -> dict[str, int]:
    """Return how many connections were opened in all, and how many are out of their pools now."""
    return dict(_pool)


class Recorder:
    """The app with a record of each numbered request; an ASGI app itself."""

    def __init__(self, app: Any) -> None:
        self.app = app
        self.failure = ""
        """Why the lifespan ended with an exception."""

    async def _live(self, scope: Message, receive: Receive, send: Send) -> None:
        try:
            await self.app(scope, receive, send)
        except BaseException as exc:
            self.failure = self.failure or loading.sentence(exc)
            raise

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._live(scope, receive, send)
            return
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = [(name, value) for name, value in scope["headers"] if name != HEADER]
        number = next((int(value) for name, value in scope["headers"] if name == HEADER), 0)
        await _Recording(number, {**scope, "headers": headers}, receive, send).run(self.app)


class _Recording:
    def __init__(self, number: int, scope: Message, receive: Receive, send: Send) -> None:
        self.scope, self._receive, self._send = scope, receive, send
        self.started = time.perf_counter()
        self.record: dict[str, Any] = {
            "started": self.started,
            "statements": [],
            "commits": [],
            "rollbacks": 0,
            "connects": _pool["connects"],
            "chunks": [],
            "gathered": False,
            "stalls": [],
            "logs": [],
            "response_at": None,
            "left_at": None,
            "ended_at": None,
            "exception": None,
            "endpoint": None,
            "kept": [],
        }
        if number:
            _records[number] = self.record

    async def run(self, app: Any) -> None:
        token = _current.set(self.record)
        _running.append(self.record)
        try:
            await app(self.scope, self.receive, self.send)
        except Exception as exc:
            inner = _alone(exc)
            self.record["exception"] = {
                "type": type(inner).__name__,
                "message": str(inner)[:500],
                "traceback": traceback.format_exc()[-4000:],
                **_raised(inner),
            }
            raise
        finally:
            self.record["ended_at"] = self.now()
            self.record["connects"] = _pool["connects"] - self.record["connects"]
            _running.remove(self.record)
            _current.reset(token)

    def now(self) -> float:
        return time.perf_counter() - self.started

    async def receive(self) -> Message:
        message = await self._receive()
        if message["type"] == "http.disconnect" and self.record["left_at"] is None:
            self.record["left_at"] = self.now()
        return message

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.record["response_at"] = self.now()
            self.record["endpoint"] = loading.source(self.scope.get("endpoint"))
            if self.record["kept"]:
                kept = self.record["kept"][0].encode("ascii", "backslashreplace")
                message = {**message, "headers": [*message.get("headers", ()), (KEPT, kept)]}
        elif message["type"] == "http.response.body" and message.get("body"):
            self.record["chunks"].append([self.now(), len(message["body"])])
        await self._send(message)


def _alone(exc: BaseException) -> BaseException:
    """Return what is alone in a group: middlewares of Starlette run the app in a task group."""
    while isinstance(exc, BaseExceptionGroup) and len(inner := exc.exceptions) == 1:
        exc = inner[0]
    return exc


def _raised(exc: BaseException) -> dict[str, Any]:
    for frame in reversed(traceback.extract_tb(exc.__traceback__)):
        if own := guard.of_project(frame.filename):
            return {"file": own, "line": frame.lineno}
    return {"file": "", "line": 0}


def install() -> None:
    """Watch SQLAlchemy's engines, where the app has any, and the log."""
    logging.getLogger().addHandler(_Log())
    guard.tell(_keep)
    _watch_streams()
    if "sqlalchemy" not in sys.modules:
        return
    from sqlalchemy import event
    from sqlalchemy.engine import Engine
    from sqlalchemy.pool import Pool

    event.listen(Engine, "before_cursor_execute", _statement)
    event.listen(Engine, "commit", _commit)
    event.listen(Engine, "rollback", _rollback)
    event.listen(Pool, "connect", lambda *_: _count("connects", 1))
    event.listen(Pool, "checkout", lambda *_: _count("out", 1))
    event.listen(Pool, "checkin", lambda *_: _count("out", -1))


def _watch_streams() -> None:
    """Note where what is streamed is a list: all of it is there before the first of it is sent."""
    from starlette.responses import StreamingResponse

    before = StreamingResponse.__init__

    @functools.wraps(before)
    def made(response: Any, content: Any, *arguments: Any, **options: Any) -> None:
        if (record := _current.get()) is not None:
            record["gathered"] = isinstance(content, _LISTS)
        before(response, content, *arguments, **options)

    setattr(StreamingResponse, "__init__", made)  # noqa: B010 (mypy wants no method assigned to)


def _keep(target: str) -> None:
    """Note it: where a thread has no request of its own, as asyncio's resolver, at all that run now."""
    record = _current.get()
    for one in [record] if record is not None else list(_running):
        one["kept"].append(target)


def _count(name: str, number: int) -> None:
    _pool[name] += number


def _statement(connection: Any, _: Any, sql: str, *rest: Any) -> None:
    if (record := _current.get()) is not None:
        at = time.perf_counter() - record["started"]
        in_loop = threading.get_ident() == _pool["loop"] and not connection.dialect.is_async
        record["statements"].append({"sql": sql[:1000], "at": at, "in_loop": in_loop, **guard.place()})


def _commit(_: Any) -> None:
    if (record := _current.get()) is not None:
        record["commits"].append(time.perf_counter() - record["started"])


def _rollback(_: Any) -> None:
    if (record := _current.get()) is not None:
        record["rollbacks"] += 1


class _Log(logging.Handler):
    """Keeps what is logged during a request."""

    def emit(self, record: logging.LogRecord) -> None:
        if (current := _current.get()) is not None and len(current["logs"]) < 200:
            try:
                text = record.getMessage()
            except Exception:  # a caller's format that does not fit its arguments
                text = str(record.msg)
            current["logs"].append({"level": record.levelname, "logger": record.name, "text": text[:2000]})


def watch_loop(loop: asyncio.AbstractEventLoop, thread: int) -> None:
    """Notice each time that the loop does not come round, with the line of the project that holds it.

    The time for which its thread was ready and had no processor is the machine's, and is left out.
    """
    _pool["loop"] = thread
    native = next((one.native_id for one in threading.enumerate() if one.ident == thread), None)
    beat = [(time.perf_counter(), _kept_waiting(native))]

    def tick() -> None:
        beat[0] = (time.perf_counter(), _kept_waiting(native))
        loop.call_later(0.005, tick)

    loop.call_soon_threadsafe(tick)
    threading.Thread(target=_watch, args=(beat, thread, native), daemon=True).start()


def _kept_waiting(native: int | None) -> float:
    """Return for how many seconds a thread was ready and did not run; 0 where the system does not tell."""
    try:
        return int(Path(f"/proc/self/task/{native}/schedstat").read_text().split()[1]) / 1e9
    except (OSError, IndexError, ValueError):
        return 0.0


def _watch(beat: list[tuple[float, float]], thread: int, native: int | None) -> None:
    held: dict[str, Any] | None = None
    while True:
        time.sleep(0.005)
        last = beat[0]
        late = time.perf_counter() - last[0]
        if late >= _STALL:
            late -= _kept_waiting(native) - last[1]
        if late < _STALL:
            held = None
        elif held is None or held["beat"] != last:
            held = {"beat": last, "ms": late * 1000, **held_by(thread)}
            for record in list(_running):
                record["stalls"].append(held)
        else:
            held["ms"] = late * 1000


def held_by(thread: int) -> dict[str, Any]:
    """Return where a thread is: the innermost line of the project, and the end of its stack."""
    frame = sys._current_frames().get(thread)
    stack = traceback.extract_stack(frame)[-12:] if frame else []
    where = {"file": "", "line": 0}
    for entry in reversed(stack):
        if own := guard.of_project(entry.filename):
            where = {"file": own, "line": entry.lineno or 0}
            break
    lines = [f"{entry.name} ({entry.filename.rpartition('/')[2]}:{entry.lineno})" for entry in stack[-6:]]
    return {**where, "stack": lines}
