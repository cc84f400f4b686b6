"""What a worker does beside running jobs: renew leases, tell of progress, plant schedules, sweep."""

import random
from collections.abc import Mapping

import anyio
from sqlalchemy import select

from stanchion.database import Database
from stanchion.database.wakes import Wakes, is_loud, telling
from stanchion.jobs import leases, store
from stanchion.jobs.endings import How
from stanchion.jobs.leases import Lease
from stanchion.jobs.ledger import tell
from stanchion.jobs.line import Line
from stanchion.jobs.registry import Jobs
from stanchion.jobs.run import Run
from stanchion.jobs.told import Told

_BEATS = 3
"""Renewals in the length of a lease: two may fail."""
_HEED_EVERY = 0.2
"""Seconds between two looks for what is cancelled, at least: SQLite wakes for whatever is committed."""
_TELL_EVERY = 0.2
"""Seconds between two writes of progress, however often a job tells of it."""
_SWEEP_EVERY = 60.0
"""Seconds between two looks for jobs that ended long ago."""
_LOOK_EVERY = 300.0
"""Seconds between two looks at the schedules, at most: the clock of this process may not keep pace."""
_LOOK = select(telling(store.TOLD))


async def renew(database: Database, runs: Mapping[Lease, Run], lease: float) -> None:
    """Renew the leases of the runs for as long as they go on; end those that are lost."""
    while True:
        await anyio.sleep(lease / _BEATS)
        held = dict(runs)
        if not held:
            continue
        try:
            async with database.transaction() as session:
                renewed = await leases.renew(session, held, lease)
        except Exception as exc:
            # That the database is busy or away takes no lease: who has taken it is known when it answers.
            tell("leases_not_renewed", exc)
            continue
        for one, run in held.items():
            if one.id not in renewed:
                run.lose()


async def heed(database: Database, runs: Mapping[Lease, Run], wakes: Wakes, lease: float) -> None:
    """End the runs that are to be cancelled, as soon as that is heard of."""
    async with wakes.listening(store.CANCELLED) as wake:
        while True:
            await wake.wait(lease / _BEATS)
            if not runs:
                continue
            held = dict(runs)
            try:
                async with database.read() as session:
                    cancelled = await leases.cancelled(session, held)
            except Exception as exc:
                tell("cancellations_not_read", exc)
                continue
            for one, run in held.items():
                if one.id in cancelled:
                    run.stop(How.cancelled)
            await anyio.sleep(_HEED_EVERY)


async def report(database: Database, told: Told) -> None:
    """Write how far the runs are when they tell, and wake those who watch them."""
    line, is_heard = Line(database), is_loud(database.engine.sync_engine)
    try:
        while True:
            news = await told.wait()
            try:
                if news:
                    await leases.report(line, news.items())
                if is_heard:
                    await line.fetch(_LOOK, {})
            except Exception as exc:
                tell("progress_not_written", exc)  # the next is more; the end of a run has it too
            await anyio.sleep(_TELL_EVERY)
    finally:
        await line.close()


async def plant(database: Database, jobs: Jobs) -> None:
    """Put in the next job of each schedule, ahead of its time."""
    scheduled = [function for function in jobs.functions.values() if function.schedule is not None]
    while scheduled:
        pause = _LOOK_EVERY
        try:
            async with database.transaction() as session:
                now = await store.time(session)
                for function in scheduled:
                    assert function.schedule is not None
                    tick = function.schedule.after(now)
                    await store.plant(session, function.new_at(tick))
                    pause = min(pause, (tick - now).total_seconds())
        except Exception as exc:
            tell("schedules_not_planted", exc)
            pause = 1.0
        await anyio.sleep(max(pause, 0.01))


async def sweep(database: Database, jobs: Jobs) -> None:
    """Delete the jobs that ended long ago, some at a time."""
    await anyio.sleep(random.uniform(0, _SWEEP_EVERY))  # noqa: S311 - spreads workers, no secret
    while True:
        swept = 1
        try:
            while swept:
                async with database.transaction() as session:
                    swept = await store.sweep(session, jobs.keep, jobs.keep_failed)
        except Exception as exc:
            tell("jobs_not_swept", exc)
        await anyio.sleep(_SWEEP_EVERY)
