"""Worker: takes the jobs that are due, and runs several at a time."""

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager

import anyio
import structlog

from stanchion.database import Database
from stanchion.database.wakes import SILENT, Wake
from stanchion.jobs import keeping, leases
from stanchion.jobs.endings import Ending, How
from stanchion.jobs.leases import Filter, Lease
from stanchion.jobs.ledger import Ledger, tell
from stanchion.jobs.line import Line
from stanchion.jobs.registry import Jobs
from stanchion.jobs.run import Run
from stanchion.jobs.store import TOPIC
from stanchion.jobs.told import Told

_TAKEN = 0.05
"""Seconds until the next look at jobs that are due, and that others are just taking or ending."""
_UNWRITTEN = 4
"""Times the concurrency: jobs that run or have ended, and of which that is not yet written."""
_LAST_WORDS = 5.0
"""Seconds that runs have to end when they are cancelled."""

log = structlog.stdlib.get_logger("stanchion.jobs")


class Worker:
    """Runs the jobs of an app: `concurrency` at a time, of these queues or of all, until it is stopped.

    It takes only jobs whose functions it knows, and reaches the database on connections of its own, so
    that a job that holds all of the app's cannot cost a lease. A `lease` (seconds) is renewed three
    times in its length; the jobs of a worker that has died are taken by others when it is over.
    It looks for jobs when it is woken, when one is due, and every `poll` seconds. A stop waits `grace`
    seconds for the jobs that run, then gives them back.
    """

    def __init__(
        self,
        jobs: Jobs,
        *,
        concurrency: int = 10,
        queues: Sequence[str] = (),
        lease: float = 30.0,
        poll: float = 5.0,
        grace: float = 10.0,
    ) -> None:
        if concurrency < 1 or lease <= 0 or poll <= 0 or grace < 0:
            raise ValueError("A worker runs one job at least; its times are seconds, more than none.")
        self.jobs = jobs
        self.concurrency = concurrency
        self.lease = lease
        self.poll = poll
        self.grace = grace
        self.name = f"{socket.gethostname()}:{os.getpid()}"[:200]
        self._filter = Filter(tuple(jobs.functions), tuple(queues))
        self._runs: dict[Lease, Run] = {}
        self._busy = 0
        self._told = Told()
        self._freed = asyncio.Event()
        self._stopping = False
        self._wake: Wake | None = None

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Work in the background of this block, and stop at its end."""
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self.run)
            try:
                yield
            finally:
                self.stop()

    @property
    def is_stopping(self) -> bool:
        """Whether it was told to stop."""
        return self._stopping

    def stop(self) -> None:
        """Claim nothing more; `run` returns when the jobs have ended or were given back."""
        self._stopping = True
        self._freed.set()
        if self._wake is not None:
            self._wake.set()

    async def run(self) -> None:
        """Work until `stop`."""
        database = _beside(self.jobs.database)
        wakes = self.jobs.database.wakes
        try:
            async with anyio.create_task_group() as keepers, wakes.listening(TOPIC) as self._wake:
                ledger = Ledger(database, self._told, self._written)
                keepers.start_soon(ledger.run)
                keepers.start_soon(keeping.renew, database, self._runs, self.lease)
                keepers.start_soon(keeping.heed, database, self._runs, wakes, self.lease)
                keepers.start_soon(keeping.report, database, self._told)
                keepers.start_soon(keeping.plant, database, self.jobs)
                keepers.start_soon(keeping.sweep, database, self.jobs)
                log.info("worker_started", jobs=len(self.jobs.functions), concurrency=self.concurrency)
                # Of asyncio: a task of anyio's costs more than all else of a small job.
                with anyio.CancelScope() as scope:
                    async with asyncio.TaskGroup() as tasks:
                        await self._work(database, ledger, tasks, self._wake)
                        await self._end()
                        scope.cancel()
                keepers.cancel_scope.cancel()
            log.info("worker_stopped")
        finally:
            with anyio.CancelScope(shield=True):
                await database.close()

    async def run_due(self) -> int:
        """Run what is due until nothing is, one job after another, and return how many: for tests."""
        database = self.jobs.database
        ledger, line = Ledger(database, self._told, self._written), Line(database)
        threads = anyio.CapacityLimiter(1)
        count = 0
        try:
            async with anyio.create_task_group() as keepers:
                keepers.start_soon(ledger.run)
                while claimed := await self._claim(line, 1):
                    async with asyncio.TaskGroup() as tasks:
                        self._start(claimed, ledger, threads, tasks)
                    await self._idle()
                    count += 1
                keepers.cancel_scope.cancel()
        finally:
            await line.close()
        return count

    async def _work(self, database: Database, ledger: Ledger, tasks: asyncio.TaskGroup, wake: Wake) -> None:
        threads = anyio.CapacityLimiter(self.concurrency)
        line = Line(database)
        hopeful = True
        try:
            while not self._stopping:
                # What has ended and is being written needs no place; yet it must not pile up.
                free = min(self.concurrency - self._busy, _UNWRITTEN * self.concurrency - len(self._runs))
                if free <= 0:
                    self._freed.clear()
                    await self._freed.wait()
                    continue
                claimed, wait = await self._take(line, free, hopeful)
                self._start(claimed, ledger, threads, tasks)
                woken = wait > 0 and await wake.wait(wait)
                # Where a claim got all that it asked for there may be more, and PostgreSQL wakes for jobs
                # alone. SQLite wakes for each commit: there a look comes first, which holds up no writer.
                hopeful = len(claimed) == free or (woken and not line.is_sqlite)
        finally:
            await line.close()

    async def _take(self, line: Line, limit: int, hopeful: bool) -> tuple[list[Lease], float]:
        """Claim jobs, or return the seconds until one may be due."""
        try:
            if hopeful and (claimed := await self._claim(line, limit)):
                return claimed, 0.0
            wait = await leases.due_in(line, self._filter)
            if wait is None or wait > 0:
                return [], self.poll if wait is None else min(wait, self.poll)
            claimed = await self._claim(line, limit)
        except Exception as exc:
            tell("jobs_not_claimed", exc)
            return [], self.poll
        return claimed, 0.0 if claimed else _TAKEN

    async def _end(self) -> None:
        """Let the jobs that run come to their end, for a while; give the others back."""
        with anyio.move_on_after(self.grace):
            await self._idle()
        for run in self._runs.values():
            run.stop(How.stopped)
        with anyio.move_on_after(_LAST_WORDS):
            await self._idle()

    async def _idle(self) -> None:
        while self._runs:
            self._freed.clear()
            await self._freed.wait()

    async def _claim(self, line: Line, limit: int) -> list[Lease]:
        return await leases.claim(
            line, self._filter, limit=limit, seconds=self.lease, worker=self.name, running=self._runs
        )

    def _start(
        self,
        claimed: Sequence[Lease],
        ledger: Ledger,
        threads: anyio.CapacityLimiter,
        tasks: asyncio.TaskGroup,
    ) -> None:
        for lease in claimed:
            run = Run(lease, self.jobs.functions[lease.name], self.jobs.database, self._told)
            self._runs[lease] = run
            self._busy += 1
            tasks.create_task(self._perform(run, ledger, threads))

    async def _perform(self, run: Run, ledger: Ledger, threads: anyio.CapacityLimiter) -> None:
        # For the lines of this task, and so to be taken back by nobody.
        structlog.contextvars.bind_contextvars(**_names(run.lease))
        try:
            ending = await run.attempt(threads)
        except BaseException:
            del self._runs[run.lease]
            raise
        finally:
            self._busy -= 1
            self._freed.set()
        if ending is None or ending.is_written:
            self._over(run.lease, ending, log)
        else:
            ledger.write(ending)

    def _written(self, endings: Collection[Ending], written: Collection[int]) -> None:
        """Let go of the runs whose ends were written, and of those that have lost their lease."""
        bound = log.bind()  # once: where nobody reads the lines, this is what they cost
        for ending in endings:
            self._over(ending.lease, ending if ending.lease.id in written else None, bound)
        self._freed.set()

    def _over(self, lease: Lease, ending: Ending | None, told: structlog.stdlib.BoundLogger) -> None:
        run = self._runs.pop(lease)
        if ending is None:
            told.warning("job_lost", **_names(lease), duration_ms=run.duration)
        elif ending.how is not How.failed:  # of a failure it has told itself
            told.info(f"job_{ending.how}", **_names(lease), duration_ms=run.duration)


def _names(lease: Lease) -> dict[str, object]:
    """Return what each line of a run has, so that it says of which it is."""
    names: dict[str, object] = {"job": lease.name, "job_id": lease.id, "attempt": lease.attempt}
    if lease.request_id is not None:
        names["request_id"] = lease.request_id
    return names


def _beside(database: Database) -> Database:
    """Return the same database with connections of the worker's own: a job may hold all of the app's."""
    silent = database.engine.sync_engine.get_execution_options().get(SILENT, False)
    return Database(database.url.render_as_string(hide_password=False), pool_size=4, notify=not silent)
