"""Line: a connection that a worker keeps open, on which each statement is a transaction."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anyio
from sqlalchemy.ext.asyncio import AsyncConnection

from stanchion.database import Database
from stanchion.database.failures import translated
from stanchion.database.sqlite import READ_ONLY


class Line:
    """A worker's own connection: what it does all the time costs a fifth there of what a session costs.

    On PostgreSQL it is in autocommit, on SQLite a block is one transaction, of which each statement of a
    worker's makes sense alone. One task uses it. What fails drops it, and the next block has a new one.
    """

    def __init__(self, database: Database, *, reading: bool = False) -> None:
        self.is_sqlite = database.url.get_backend_name() == "sqlite"
        options: dict[str, Any] = (
            {READ_ONLY: reading} if self.is_sqlite else {"isolation_level": "AUTOCOMMIT"}
        )
        self._engine = database.engine.execution_options(**options)
        self._connection: AsyncConnection | None = None

    @asynccontextmanager
    async def open(self) -> AsyncIterator[AsyncConnection]:
        """Give the connection for a block. Raises UnavailableError where the database is busy or away."""
        with translated():
            try:
                connection = self._connection = self._connection or await self._connect()
                async with connection.begin():
                    yield connection
            except BaseException:
                await self.close()
                raise

    async def close(self) -> None:
        """Give the connection back."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with anyio.CancelScope(shield=True):
                await connection.close()

    async def _connect(self) -> AsyncConnection:
        # A connection that was made and not yet handed over would be nobody's.
        with anyio.CancelScope(shield=True):
            connection = await self._engine.connect()
        return connection  # noqa: RET504 - a scope may end early, mypy says: the return stands behind it
