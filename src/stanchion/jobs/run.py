"""Run: one attempt at a job, from its lease to its end."""

import asyncio
import random
import traceback
from typing import Any

import anyio
import structlog
from pydantic_core import PydanticSerializationError, to_json, to_jsonable_python

from stanchion.database import Database
from stanchion.jobs import leases
from stanchion.jobs.context import JobContext
from stanchion.jobs.errors import ArgumentsError, GiveUpError, LeaseLostError
from stanchion.jobs.function import JobFunction
from stanchion.jobs.leases import Lease, Progress
from stanchion.jobs.ledger import Ending, How
from stanchion.jobs.record import Failure
from stanchion.jobs.told import Told
from stanchion.logging import redact

_LONGEST_PAUSE = 3600.0
"""Seconds between two attempts, at most."""
_MESSAGE = 1000
_TRACE = 8000
"""Characters that are kept of an error's message, and of the end of its traceback."""

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
        self._told = told
        self.context = JobContext(database, lease, told)
        self.scope = anyio.CancelScope()
        self.reason: How | None = None
        self.is_lost = False

    @property
    def progress(self) -> Progress:
        """How far it says that it is."""
        return self.context.told

    def stop(self, reason: How) -> None:
        """Cancel it, to be written as cancelled or given back."""
        self.reason = self.reason or reason
        self.scope.cancel()

    def lose(self) -> None:
        """Cancel it: the job is another worker's, and nothing is written."""
        self.is_lost = True
        self.scope.cancel()

    async def attempt(self, threads: anyio.CapacityLimiter) -> Ending | None:
        """Run the function; return what is to be written, None where it is written or must not be."""
        if self.lease.cancel_requested:
            return self._ending(How.cancelled)
        if self.lease.attempt > self.lease.max_attempts:
            said = f"Its worker ended in the middle of it, {self.lease.max_attempts} times."
            return self._ending(How.failed, error=Failure("WorkerLostError", said, ""))
        with self.scope:
            try:
                return await self._call(threads)
            except LeaseLostError:
                self.is_lost = True
                return None
            except asyncio.CancelledError as exc:
                if self.scope.cancel_called or _is_cancelled():
                    raise
                return self._failed(exc)  # something else was cancelled, which it waited for
            except (Exception, SystemExit) as exc:
                return self._failed(exc)
        if self.is_lost or self.reason is None:
            return None
        return self._ending(self.reason)

    async def _call(self, threads: anyio.CapacityLimiter) -> Ending | None:
        """Call it, and commit what it wrote in its session together with its end."""
        async with self.context.stack:
            try:
                with anyio.move_on_after(self.function.rules.timeout) as limit:
                    result = await self.function.run(self.context, self.lease.arguments, threads)
                if limit.cancelled_caught:
                    raise TimeoutError(f"It took longer than {self.function.rules.timeout} seconds.")
                text = None if result is None else to_json(result, inf_nan_mode="constants").decode()
            except PydanticSerializationError as exc:
                raise GiveUpError(f"What {self.function.name} returned has no form in JSON.") from exc
            session = self.context.opened
            if session is None:
                return self._ending(How.done, result=text)
            if not await leases.finish(session, self.lease, self.progress, text):
                raise LeaseLostError
        self._told.tell()
        return None

    def _failed(self, exc: BaseException) -> Ending:
        is_final = (
            isinstance(exc, GiveUpError | ArgumentsError) or self.lease.attempt >= self.lease.max_attempts
        )
        retry_in = None if is_final else _pause(self.function.rules.backoff, self.lease.attempt)
        error = _failure(exc)
        tell = log.error if is_final else log.warning
        tell(
            "job_failed" if is_final else "job_retried",
            error=error.type,
            reason=error.message,
            retry_in=retry_in and round(retry_in, 1),
            exc_info=exc if is_final else None,
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
        return Ending(self.lease, self.progress, how, result, error, retry_in)


def _is_cancelled() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def _pause(backoff: float, attempt: int) -> float:
    """Return the seconds until the next attempt: exponential, with full jitter, so that they spread."""
    longest = min(_LONGEST_PAUSE, backoff * 2.0 ** min(attempt - 1, 32))
    return random.uniform(0, longest)  # noqa: S311 - spreads retries, no secret


def _failure(exc: BaseException) -> Failure:
    trace = "".join(traceback.format_exception(exc))
    details = to_jsonable_python(exc.details, fallback=str) if isinstance(exc, GiveUpError) else None
    safe = redact(None, "", {"message": str(exc), "trace": trace, "details": details})
    return Failure(
        type=type(exc).__name__,
        message=safe["message"][:_MESSAGE],
        trace=safe["trace"][-_TRACE:],
        details=safe["details"],
    )
