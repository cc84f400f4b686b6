"""Jobs: the functions that an app runs in the background, and the way to enqueue them."""

import re
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar, overload

import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from stanchion.database import Database
from stanchion.jobs import store
from stanchion.jobs.arguments import Arguments
from stanchion.jobs.context import JobContext
from stanchion.jobs.cron import Schedule
from stanchion.jobs.function import JobFunction, Rules
from stanchion.jobs.record import Job
from stanchion.jobs.table import Status
from stanchion.jobs.watching import watch

P = ParamSpec("P")
R = TypeVar("R")

_NAME = re.compile(r"[A-Za-z_][\w.-]{0,199}", re.ASCII)
_REQUEST_ID = 200
"""Characters of a request's id that are kept."""


class Decorator(Protocol):
    """Makes a JobFunction of a function; a first parameter of type JobContext is not enqueued."""

    @overload
    def __call__(self, function: Callable[Concatenate[JobContext, P], R], /) -> JobFunction[P, R]: ...
    @overload
    def __call__(self, function: Callable[P, R], /) -> JobFunction[P, R]: ...


class Jobs:
    """The background jobs of an app: rows of its own database, run by a Worker.

        jobs = Jobs(database)

        @jobs.job(max_attempts=8)
        async def send_digest(user_id: int) -> None: ...

        await jobs.enqueue(session, send_digest, user_id=7)

    A job that has ended is kept for `keep`, and for `keep_failed` where it failed; `stanchion jobs`
    lists, cancels and retries them.
    """

    def __init__(
        self,
        database: Database,
        *,
        keep: timedelta = timedelta(days=7),
        keep_failed: timedelta = timedelta(days=30),
    ) -> None:
        self.database = database
        self.keep = keep
        self.keep_failed = keep_failed
        self.functions: dict[str, JobFunction[..., Any]] = {}

    def job(
        self,
        *,
        name: str | None = None,
        queue: str = "default",
        priority: int = 0,
        max_attempts: int = 5,
        timeout: timedelta | float | None = 300.0,
        backoff: float = 10.0,
    ) -> Decorator:
        """Declare a job: a decorator for a function, async or not, with typed arguments.

        An attempt that raises, or takes longer than `timeout` (seconds), is repeated after a random
        pause of up to `backoff` seconds, then twice, four times as much, an hour at most; after
        `max_attempts` the job has failed. An attempt counts when it begins, so that a job which kills its
        worker ends too. Rows know the function by `name`, which is its own by default. A function
        that is not async runs in a thread.

        The decorator raises TypeError for a function whose arguments no JSON could hold, and
        ValueError for a name that is taken.
        """
        return self._decorator(name, _rules(queue, priority, max_attempts, timeout, backoff), None)

    def cron(
        self,
        schedule: str,
        *,
        timezone: str = "UTC",
        name: str | None = None,
        queue: str = "default",
        priority: int = 0,
        max_attempts: int = 5,
        timeout: timedelta | float | None = 300.0,
        backoff: float = 10.0,
    ) -> Decorator:
        """Declare a job that also enqueues itself, by the five fields of cron: `0 7 * * *`.

        Each tick is one job, however many workers there are. The next one is put in ahead of its time,
        so a tick that finds no worker is made up for when one comes. It does not wait for the one
        before. Raises ValueError for a schedule, and the decorator TypeError for a function with an
        argument that has no default.
        """
        rules = _rules(queue, priority, max_attempts, timeout, backoff)
        return self._decorator(name, rules, Schedule(schedule, timezone))

    def _decorator(self, name: str | None, rules: Rules, schedule: Schedule | None) -> Decorator:
        def decorate(function: Callable[..., Any]) -> JobFunction[..., Any]:
            arguments = Arguments(function, JobContext)
            made: JobFunction[..., Any] = JobFunction(
                name or function.__name__, function, arguments, rules, schedule
            )
            if not _NAME.fullmatch(made.name):
                raise ValueError(f"{made.name!r} is no name for a job: give it one, `name=`.")
            if made.name in self.functions:
                raise ValueError(f"There are two jobs called {made.name!r}: give one another `name=`.")
            if schedule is not None and arguments.required:
                raise TypeError(f"{made.name} runs by itself: {arguments.required[0]!r} needs a default.")
            self.functions[made.name] = made
            return made

        return decorate  # type: ignore[return-value] # Decorator says more of what it makes

    async def enqueue(
        self, session: AsyncSession, function: JobFunction[P, Any], /, *args: P.args, **kwargs: P.kwargs
    ) -> int:
        """Put a job in, in the session's transaction, and return its id.

        It exists when that commits, and not where it rolls back. With a unique key (see
        `JobFunction.options`) that an unfinished job has, the id is that one's, and nothing is put in.
        Raises ArgumentsError for arguments that the function does not take, ValueError for a
        function of another Jobs.
        """
        known = self.functions.get(function.name)
        if known is None or known.function is not function.function:
            raise ValueError(f"{function.name} is no job of these: declare it with `@jobs.job()`.")
        new = function.new(*args, **kwargs)
        request_id = structlog.contextvars.get_contextvars().get("request_id")
        job_id = await store.insert(session, replace(new, request_id=_short(request_id)))
        assert job_id is not None, "only a tick may be there already"
        return job_id

    async def get(self, session: AsyncSession, job_id: int) -> Job | None:
        """Return a job; None where there is none, or it has ended so long ago that it was deleted."""
        return await store.get(session, job_id)

    async def find(
        self,
        session: AsyncSession,
        *,
        statuses: Sequence[Status] = (),
        queue: str | None = None,
        name: str | None = None,
        limit: int = 50,
    ) -> list[Job]:
        """Return jobs, newest first: those of any of the statuses, or all."""
        return await store.find(session, statuses=statuses, queue=queue, name=name, limit=limit)

    async def cancel(self, session: AsyncSession, job_id: int) -> bool:
        """Cancel a job: a queued one at once, a running one when its worker hears of it, soon.

        False where it is over, or there is none.
        """
        return await store.cancel(session, job_id)

    async def retry(self, session: AsyncSession, job_id: int) -> bool:
        """Queue a failed or cancelled job again, with all its attempts; False where it is neither.

        Raises ConflictError (409) where another unfinished job has its unique key.
        """
        return await store.retry(session, job_id)

    def watch(self, job_id: int) -> AsyncIterator[Job]:
        """Yield a job now and whenever it has changed, until it is over: what an SSE endpoint sends.

        It reads with connections of its own, a short moment each. Nothing where there is no such job.
        """
        return watch(self.database, job_id)


def _rules(
    queue: str, priority: int, max_attempts: int, timeout: timedelta | float | None, backoff: float
) -> Rules:
    seconds = timeout.total_seconds() if isinstance(timeout, timedelta) else timeout
    return Rules(queue, priority, max_attempts, seconds, backoff)


def _short(request_id: object) -> str | None:
    return None if request_id is None else str(request_id)[:_REQUEST_ID]
