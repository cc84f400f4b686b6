"""Run: one attempt at a job, from its lease to its end."""

import asyncio
import random
import time
from types import TracebackType
from typing import Any

import anyio
import structlog
from pydantic_core import PydanticSerializationError, to_json

from stanchion.database import Database
from stanchion.jobs import endings
from stanchion.jobs.context import JobContext
from stanchion.jobs.endings import Ending, How
from stanchion.jobs.errors import ArgumentsError, LeaseLostError, ResultError
from stanchion.jobs.failing import failure_of
from stanchion.jobs.function import JobFunction
from stanchion.jobs.leases import Lease
from stanchion.jobs.record import Failure
from stanchion.jobs.told import Told

_LONGEST_PAUSE = 3600.0
"""Seconds between two attempts, at most."""

log = structlog.stdlib.get_logger("stanchion.jobs")


class Run:
    """One attempt at a job. `stop` ends it, for a reason that decides what is written."""

    def __init__(
        self,
        lease: Lease,
        function: JobFunction[..., Any],
        database: Database,
        told: Told,
    ) -> None:
        self.lease = lease
        self.function = function
        self.started = time.perf_counter()
        self._told = told
        # One that takes no context has no session, and tells of no progress.
        self.context = JobContext(database, lease, told) if function.arguments.context else None
        self.scope = anyio.CancelScope()
        self.reason: How | None = None
        self.is_lost = False

    @property
    def duration(self) -> float:
        """The milliseconds since it was begun."""
        return round((time.perf_counter() - self.started) * 1000, 2)

    def stop(self, reason: How) -> None:
        """Cancel it, to be written as cancelled or given back."""
        self.reason = self.reason or reason
        self.scope.cancel()

    def lose(self) -> None:
        """Cancel it: the job is another worker's, and nothing is written."""
        self.is_lost = True
        self.scope.cancel()

    async def attempt(self, threads: anyio.CapacityLimiter) -> Ending | None:
        """Run the function; return how that ended, None where the lease is lost: nothing is written."""
        if self.lease.cancel_requested:
            return self._ending(How.cancelled)
        if self.lease.attempt > self.lease.max_attempts:
            said = f"Its worker ended in the middle of it, {self.lease.max_attempts} times."
            return self._ending(How.failed, error=Failure("WorkerLostError", said, ""))
        try:
            return await self._call(threads)
        except LeaseLostError:
            return None
        except asyncio.CancelledError as exc:
            if _is_cancelled():
                raise
            return self._cut_short(exc)  # or something else was cancelled, which it waited for
        except (Exception, SystemExit) as exc:
            return self._cut_short(exc)

    async def _call(self, threads: anyio.CapacityLimiter) -> Ending | None:
        """Call it, and commit what it wrote in its session together with its end."""
        if self.context is None:
            return self._ending(How.done, result=await self._result(threads))
        async with self.context.stack:
            ending = self._ending(How.done, result=await self._result(threads))
            session = self.context.opened
            if session is None:
                return ending
            if not await endings.write_with(session, ending):
                raise LeaseLostError
        self._told.tell()
        ending.is_written = True
        return ending

    async def _result(self, threads: anyio.CapacityLimiter) -> str | None:
        """Return as JSON what the function returns. Raises what it raises, and where it is cut short."""
        timeout = self.function.rules.timeout
        if timeout is not None:
            self.scope.deadline = asyncio.get_running_loop().time() + timeout
        where: TracebackType | None = None
        with self.scope:
            try:
                result = await self.function.run(self.context, self.lease.arguments, threads)
            except asyncio.CancelledError as exc:
                where = exc.__traceback__
                raise
            try:
                return None if result is None else to_json(result, inf_nan_mode="constants").decode()
            except PydanticSerializationError as exc:
                raise ResultError(f"What {self.function.name} returned has no form in JSON.") from exc
        raise TimeoutError(f"It took longer than {timeout} seconds.").with_traceback(where)

    def _cut_short(self, exc: BaseException) -> Ending | None:
        """Return the end of a run that has raised; whatever that was, if it was told to end."""
        if self.is_lost:
            return None
        return self._failed(exc) if self.reason is None else self._ending(self.reason)

    def _failed(self, exc: BaseException) -> Ending:
        error = failure_of(exc)
        is_hopeless = error.is_refusal or isinstance(exc, ArgumentsError | ResultError)
        is_final = is_hopeless or self.lease.attempt >= self.lease.max_attempts
        retry_in = None if is_final else _pause(self.function.rules.backoff, self.lease.attempt)
        is_fault = is_final and not error.is_refusal
        tell = log.error if is_fault else log.warning
        tell(
            "job_failed" if is_final else "job_retried",
            error=error.type,
            reason=error.message,
            retry_in=retry_in and round(retry_in, 1),
            exc_info=exc if is_fault else None,
        )
        return self._ending(How.failed, error=error, retry_in=retry_in)

    def _ending(
        self,
        how: How,
        *,
        result: str | None = None,
        error: Failure | None = None,
        retry_in: float | None = None,
    ) -> Ending:
        progress = None if self.context is None else self.context.told
        return Ending(self.lease, how, progress, result, error, retry_in)


def _is_cancelled() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def _pause(backoff: float, attempt: int) -> float:
    """Return the seconds until the next attempt: exponential, with full jitter, so that they spread."""
    longest = min(_LONGEST_PAUSE, backoff * 2.0 ** min(attempt - 1, 32))
    return random.uniform(0, longest)  # noqa: S311 - spreads retries, no secret
