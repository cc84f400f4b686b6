"""A command's work in the database of the settings."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from stanchion.cli.environment import Environment
from stanchion.cli.failure import Failure

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncSession

T = TypeVar("T")


def in_transaction(work: "Callable[[AsyncSession], Awaitable[T]]", app_dir: Path) -> T:
    """Run `work` on the database of the settings, and commit. Raises Failure unless its schema is current."""
    from stanchion.database.schema import in_thread, state

    url = Environment().database_url()
    current = state(url, app_dir)
    if current.advice:
        raise Failure(current.advice)
    from stanchion import logging
    from stanchion.database import Database

    # Unconfigured, the events would be written to standard output, into what the command says.
    logging.configure(level="WARNING")

    async def run() -> T:
        database = Database(url, pool_size=1)
        try:
            async with database.transaction() as session:
                return await work(session)
        finally:
            await database.close()

    return in_thread(run())
