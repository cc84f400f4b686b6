"""JobContext: what a job's function may ask for, and tell, while it runs."""

from contextlib import AsyncExitStack

import anyio.lowlevel
from sqlalchemy.ext.asyncio import AsyncSession

from stanchion.database import Database
from stanchion.jobs.leases import Lease, Progress
from stanchion.jobs.told import Told

_MESSAGE = 500
"""Characters of a message that are kept."""
_LARGEST = 2**63


class JobContext:
    """One run of a job: a parameter with this type is given to the function, and not enqueued.

    `id` is the job's, `attempt` counts from 1 to `max_attempts`.
    """

    def __init__(self, database: Database, lease: Lease, told: Told) -> None:
        self.id = lease.id
        self.name = lease.name
        self.attempt = lease.attempt
        self.max_attempts = lease.max_attempts
        self.told: Progress | None = None
        self.opened: AsyncSession | None = None
        self.stack = AsyncExitStack()
        self._database = database
        self._lease = lease
        self._tell = told.tell

    async def session(self) -> AsyncSession:
        """Return the session of this run, which commits together with the job's completion.

        One for the whole run. When the function has returned, what was written and the fact that the
        job is done commit as one; any exception rolls back both, and so does a lease that was lost: a
        row is written once, however often the job runs. Ask for it last, after what is slow: its
        transaction begins with the first statement, and on SQLite nobody else can write meanwhile.
        """
        if self.opened is None:
            self.opened = await self.stack.enter_async_context(self._database.transaction())
        return self.opened

    async def progress(self, done: int, total: int | None = None, message: str | None = None) -> None:
        """Tell how far it is, as often as you like; readers see it soon, whatever else is uncommitted.

        Raises TypeError for what is no int, as a half is, and ValueError for one that no column holds.
        """
        for number in (done,) if total is None else (done, total):
            if not isinstance(number, int) or isinstance(number, bool):
                raise TypeError(
                    f"How far a job is, and of how much, are ints, and not {type(number).__name__}."
                )
            if abs(number) >= _LARGEST:
                raise ValueError("How far a job is, and of how much, are numbers of 64 bits.")
        self.told = Progress(done, total, None if message is None else _storable(message)[:_MESSAGE])
        self._tell(self._lease, self.told)
        await anyio.lowlevel.checkpoint()


def _storable(text: str) -> str:
    """Return a text without what no database keeps: NUL, and halves of characters."""
    return text.replace("\0", "�").encode("utf-8", "replace").decode()
