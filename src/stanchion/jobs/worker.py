"""Worker: takes the jobs that are due, and runs several at a time."""

import os
import socket
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import anyio
import structlog
from anyio.abc import TaskGroup

from stanchion.database import Database
from stanchion.database.wakes import SILENT, Wake
from stanchion.jobs import keeping, leases
from stanchion.jobs.leases import Filter, Lease
from stanchion.jobs.ledger import How, Ledger
from stanchion.jobs.registry import Jobs
from stanchion.jobs.run import Run
from stanchion.jobs.store import TOPIC

_TAKEN = 0.05
"""Seconds until the next look at jobs that are due, and that others are just taking or ending."""
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
        self._runs: set[Run] = set()
        self._told = keeping.Told()
        self._freed = anyio.Event()
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

    def stop(self) -> None:
        """Claim nothing more; `run` returns when the jobs have ended or were given back."""
        self._stopping = True
        self._freed.set()
        if self._wake is not None:
            self._wake.set()

    async def run(self) -> None:
        """Work until `stop`."""
        database = _beside(self.jobs.database)
        try:
            async with (
                anyio.create_task_group() as keepers,
                self.jobs.database.wakes.listening(TOPIC) as self._wake,
            ):
                keepers.start_soon(keeping.renew, database, self._runs, self.lease)
                keepers.start_soon(keeping.report, database, self._told)
                keepers.start_soon(keeping.plant, database, self.jobs)
                keepers.start_soon(keeping.sweep, database, self.jobs)
                log.info("worker_started", jobs=len(self.jobs.functions), concurrency=self.concurrency)
                async with anyio.create_task_group() as tasks:
                    await self._work(database, tasks, self._wake)
                    await self._end(tasks)
                keepers.cancel_scope.cancel()
            log.info("worker_stopped")
        finally:
            with anyio.CancelScope(shield=True):
                await database.close()

    async def run_due(self) -> int:
        """Run what is due until nothing is, one job after another, and return how many: for tests."""
        ledger = Ledger(self.jobs.database)
        threads = anyio.CapacityLimiter(1)
        count = 0
        while claimed := await self._claim(self.jobs.database, 1):
            await self._perform(self._new(claimed[0]), ledger, threads)
            count += 1
        return count

    async def _work(self, database: Database, tasks: TaskGroup, wake: Wake) -> None:
        ledger = Ledger(database)
        threads = anyio.CapacityLimiter(self.concurrency)
        had_all = False
        while not self._stopping:
            free = self.concurrency - len(self._runs)
            if free == 0:
                self._freed = anyio.Event()
                await self._freed.wait()
                continue
            claimed: list[Lease] = []
            try:
                # Where the last claim got all that it asked for there is probably more. Else a look comes
                # first: it writes nothing, and holds up nobody.
                wait = 0.0 if had_all else await self._due_in(database)
                if wait <= 0:
                    claimed = await self._claim(database, free)
                    wait = 0.0 if claimed else _TAKEN
            except Exception as exc:
                keeping.tell("jobs_not_claimed", exc)
                wait = self.poll
            had_all = len(claimed) == free
            for lease in claimed:
                run = self._new(lease)
                self._runs.add(run)
                tasks.start_soon(self._perform, run, ledger, threads)
            if wait > 0:
                await wake.wait(wait)

    async def _end(self, tasks: TaskGroup) -> None:
        """Let the jobs that run come to their end, for a while; give the others back."""
        with anyio.move_on_after(self.grace):
            await self._idle()
        for run in self._runs:
            run.stop(How.stopped)
        with anyio.move_on_after(_LAST_WORDS):
            await self._idle()
        tasks.cancel_scope.cancel()

    async def _idle(self) -> None:
        while self._runs:
            self._freed = anyio.Event()
            await self._freed.wait()

    async def _due_in(self, database: Database) -> float:
        async with database.read() as session:
            seconds = await leases.due_in(session, self._filter)
        return self.poll if seconds is None else min(seconds, self.poll)

    async def _claim(self, database: Database, limit: int) -> list[Lease]:
        async with database.transaction() as session:
            return await leases.claim(
                session, self._filter, limit=limit, seconds=self.lease, worker=self.name
            )

    def _new(self, lease: Lease) -> Run:
        return Run(lease, self.jobs.functions[lease.name], self.jobs.database, self._told.add)

    async def _perform(self, run: Run, ledger: Ledger, threads: anyio.CapacityLimiter) -> None:
        lease = run.lease
        bound = {"job": lease.name, "job_id": lease.id, "attempt": lease.attempt}
        if lease.request_id is not None:
            bound["request_id"] = lease.request_id
        with structlog.contextvars.bound_contextvars(**bound):
            started = time.perf_counter()
            try:
                ending = await run.attempt(threads)
                if ending is not None and not await ledger.write(ending):
                    run.is_lost = True
                duration = round((time.perf_counter() - started) * 1000, 2)
                if run.is_lost:
                    log.warning("job_lost", duration_ms=duration)
                elif ending is None or ending.how is not How.failed:  # of a failure it has told itself
                    log.info(f"job_{ending.how if ending else How.done}", duration_ms=duration)
            finally:
                self._runs.discard(run)
                self._freed.set()


def _beside(database: Database) -> Database:
    """Return the same database with connections of the worker's own: a job may hold all of the app's."""
    silent = database.engine.sync_engine.get_execution_options().get(SILENT, False)
    return Database(database.url.render_as_string(hide_password=False), pool_size=2, notify=not silent)
