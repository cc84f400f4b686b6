"""JobFunction: a function that can be enqueued, and how each of its jobs is to be run."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import cached_property, partial
from typing import Any, Generic, ParamSpec, TypeVar

import anyio.to_thread

from stanchion.jobs.arguments import Arguments
from stanchion.jobs.context import JobContext
from stanchion.jobs.cron import Schedule
from stanchion.jobs.store import New

P = ParamSpec("P")
R = TypeVar("R", covariant=True)

_QUEUE = 100
_KEY = 255
_PRIORITY = 2**15
"""The lengths and the range that the columns have."""


@dataclass(frozen=True, slots=True)
class Rules:
    """How the jobs of a function are run; `timeout` and `backoff` are in seconds."""

    queue: str
    priority: int
    max_attempts: int
    timeout: float | None
    backoff: float

    def __post_init__(self) -> None:
        _check_queue(self.queue)
        _check_priority(self.priority)
        if not 1 <= self.max_attempts < 2**31:
            raise ValueError(f"max_attempts is {self.max_attempts}: one at least.")
        if self.timeout is not None and self.timeout <= 0:
            raise ValueError(f"timeout is {self.timeout}: more than no time, or None for no limit.")
        if self.backoff < 0:
            raise ValueError(f"backoff is {self.backoff}: seconds, 0 or more.")


@dataclass(frozen=True, slots=True)
class Options:
    """What one job has of its own."""

    delay: float = 0.0
    at: datetime | None = None
    unique_key: str | None = None
    queue: str | None = None
    priority: int | None = None


@dataclass(frozen=True)
class JobFunction(Generic[P, R]):
    """A function whose calls can be jobs: `jobs.enqueue(session, function, ...)`.

    Calling it runs it here and now, as if it were not decorated.
    """

    name: str
    function: Callable[..., R]
    arguments: Arguments
    rules: Rules
    schedule: Schedule | None = None
    own: Options = field(default_factory=Options)

    @cached_property
    def is_async(self) -> bool:
        """Whether it runs in the event loop; else it does in a thread."""
        return inspect.iscoroutinefunction(self.function)

    def __call__(self, *args: Any, **kwargs: Any) -> R:
        return self.function(*args, **kwargs)

    def options(
        self,
        *,
        delay: timedelta | float | None = None,
        at: datetime | None = None,
        unique_key: str | None = None,
        queue: str | None = None,
        priority: int | None = None,
    ) -> "JobFunction[P, R]":
        """Return the same function, whose next job starts later, or elsewhere, or not twice.

        It starts after `delay` (seconds, or a timedelta) or `at` a moment. While a job of this
        function with the same `unique_key` waits or runs, another is not made. A higher `priority`
        starts earlier. Raises ValueError.
        """
        if delay is not None and at is not None:
            raise ValueError("A job starts after a delay or at a moment, not both.")
        if at is not None and at.tzinfo is None:
            raise ValueError("`at` has no time zone: use datetime.now(UTC), or stanchion.database.now().")
        if unique_key is not None and not (0 < len(unique_key) <= _KEY and "\0" not in unique_key):
            raise ValueError(f"A unique key has 1 to {_KEY} characters.")
        if queue is not None:
            _check_queue(queue)
        if priority is not None:
            _check_priority(priority)
        seconds = delay.total_seconds() if isinstance(delay, timedelta) else delay or 0.0
        return replace(self, own=Options(max(0.0, seconds), at, unique_key, queue, priority))

    def new(self, *args: Any, **kwargs: Any) -> New:
        """Return the job that a call with these arguments is. Raises ArgumentsError."""
        return New(
            name=self.name,
            arguments=self.arguments.dump(*args, **kwargs),
            queue=self.own.queue or self.rules.queue,
            priority=self.rules.priority if self.own.priority is None else self.own.priority,
            max_attempts=self.rules.max_attempts,
            delay=self.own.delay,
            at=self.own.at,
            unique_key=self.own.unique_key,
        )

    def new_at(self, tick: datetime) -> New:
        """Return the job of one tick of the schedule."""
        return replace(self.new(), at=tick, tick=tick, unique_key=None)

    async def run(self, context: JobContext | None, arguments: str, threads: anyio.CapacityLimiter) -> Any:
        """Call the function with stored arguments, in a thread unless it is async; return what it returns.

        Raises ArgumentsError, and whatever the function raises. A thread cannot be stopped: where the
        run is cancelled, it is left to itself.
        """
        given = self.arguments.load(arguments)
        if self.arguments.context is not None:
            given[self.arguments.context] = context
        call: Callable[[], Any] = partial(self.function, **given)
        if self.is_async:
            return await call()
        return await anyio.to_thread.run_sync(call, abandon_on_cancel=True, limiter=threads)


def _check_queue(queue: str) -> None:
    if not (0 < len(queue) <= _QUEUE and queue.isprintable()):
        raise ValueError(f"The name of a queue has 1 to {_QUEUE} printable characters.")


def _check_priority(priority: int) -> None:
    if not -_PRIORITY <= priority < _PRIORITY:
        raise ValueError(f"A priority is from {-_PRIORITY} to {_PRIORITY - 1}.")
