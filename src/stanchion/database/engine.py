"""Database: one engine, its pool, and the transactions over it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import anyio
from sqlalchemy import event, text
from sqlalchemy.engine import URL
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, create_async_engine
from starlette.requests import HTTPConnection

from stanchion.database import liveness, sqlite, wakes
from stanchion.database.direct import Direct
from stanchion.database.failures import DatabaseUnavailableError, is_transient, translated, unify
from stanchion.database.lending import if_proven
from stanchion.database.retries import SESSIONS, pause
from stanchion.database.schema import heads, is_current, known
from stanchion.database.session import RequestSession
from stanchion.database.turns import Turns
from stanchion.database.url import parse
from stanchion.stack import function_stack

T = TypeVar("T")

_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})
_POOL_TIMEOUT = 10.0
"""Seconds that a request waits for a connection when all are taken."""
PATIENCE = {
    "idle_in_transaction_session_timeout": "60s",
    "lock_timeout": "5s",
    "statement_timeout": "30s",
}
"""How long PostgreSQL waits: for the next statement of a transaction, which holds locks and the change feed
back; for a lock, as long as SQLite does; for a statement, which holds one of few connections."""
_COMMAND_TIMEOUT = 60.0
"""Seconds until a server that says nothing any more is given up."""


class Database:
    """A database by its URL: pooled connections, sessions, and transactions that end before the response.

    Nothing connects until the first statement. `url` is `sqlite:///./app.db`,
    `postgresql://...` or `postgres://...`; `pool_size` is the number of connections kept
    open per process, and as many again may be opened under load. `app_dir` is the
    directory that holds the app's `migrations/versions/`, for `schema_is_current`. `notify=False`
    keeps PostgreSQL from NOTIFY, which takes a lock at each commit: who waits for changes then looks
    four times a second.

    Raises stanchion.database.DatabaseURLError for a URL that cannot be used.
    """

    def __init__(
        self, url: str, *, pool_size: int = 10, app_dir: Path | None = None, notify: bool = True
    ) -> None:
        self.url: URL = parse(url)
        self._heads, self._known = (heads(app_dir), known(app_dir)) if app_dir else ({}, {})
        turns = Turns()
        self.engine: AsyncEngine = _create_engine(self.url, pool_size, turns, {wakes.SILENT: not notify})
        self._background: set[asyncio.Task[None]] = set()
        self.wakes = wakes.Wakes(_listen(self.url, notify))
        # The same pool; the options let each database refuse a write.
        self._reader = self.engine.execution_options(**{sqlite.READ_ONLY: True}, postgresql_readonly=True)
        self.direct = Direct(self.engine, self._reader, self.url, turns)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncSession]:
        """Open a session whose work commits at the end of the block, or rolls back on any error.

        On SQLite it begins with BEGIN IMMEDIATE at the first statement: a transaction that
        reads first and writes later could otherwise fail whatever the timeout is.
        """
        async with self._session(self.engine) as session:
            yield session

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncSession]:
        """Open a session for reading: on SQLite it waits for no writer. The database refuses a write."""
        async with self._session(self._reader, reading=True) as session:
            yield session

    async def get_session(self, connection: HTTPConnection) -> AsyncSession:
        """Give a path operation its session: a FastAPI dependency, `Depends(database.get_session)`.

        One session for the whole request, whoever depends on it and with whatever scope. It
        commits when the path operation has returned and **before the response leaves**; any
        exception, also an HTTPException, rolls it back. A GET, HEAD or OPTIONS reads.
        Later, in a stream or a background task, it is closed: open `transaction()` there.

        Raises RuntimeError for a WebSocket, which would hold its transaction for as long as it is open.
        """
        if connection.scope["type"] != "http":
            raise RuntimeError("A session is for a request: in a WebSocket open `transaction()` per message.")
        sessions: dict[int, RequestSession] = connection.scope.setdefault(SESSIONS, {})
        session = sessions.get(id(self))
        if session is None:
            reads = connection.scope.get("method") in _SAFE_METHODS
            session = RequestSession(self, self._reader if reads else self.engine)
            function_stack(connection).push_async_exit(partial(self._leave, session, reads))
            sessions[id(self)] = session
        session.times_given += 1
        return session

    async def run(self, work: Callable[[AsyncSession], Awaitable[T]], *, attempts: int = 5) -> T:
        """Run `work` in a transaction of its own and commit it, again if the database asks for that.

        A serialization failure, a deadlock or a lock that was not to be had rolls back and starts over,
        after a short random pause, up to `attempts` times: so `work` must have no effect
        outside its session. Raises what the last attempt raised.
        """
        for attempt in range(1, attempts):
            try:
                async with self.transaction() as session:
                    return await work(session)
            except Exception as exc:
                if not is_transient(exc):
                    raise
            await pause(attempt)
        async with self.transaction() as session:
            return await work(session)

    async def ping(self) -> None:
        """Ask the database for an answer. Raises UnavailableError where there is none."""
        async with self.read() as session:
            await session.execute(text("SELECT 1"))

    async def schema_is_current(self) -> bool:
        """Tell whether the database has the revisions that the files had when this was made, or later ones.

        Raises UnavailableError where it does not answer.
        """
        with translated():
            async with self._reader.connect() as connection:
                return await is_current(connection, self._heads, self._known)

    def background(self, work: Coroutine[Any, Any, None], *, name: str) -> asyncio.Task[None]:
        """Run work beside the requests, until it ends or is cancelled: by `close`, which waits for it."""
        task = asyncio.create_task(work, name=name)
        self._background.add(task)
        task.add_done_callback(self._background.discard)
        return task

    async def close(self) -> None:
        """End what runs in the background, and close the pool. The next statement opens it again."""
        loop = asyncio.get_running_loop()
        tasks = [task for task in self._background if task.get_loop() is loop]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        await self.direct.close()
        await self.engine.dispose()

    @asynccontextmanager
    async def _session(self, engine: AsyncEngine, *, reading: bool = False) -> AsyncIterator[AsyncSession]:
        async with self._ending(RequestSession(self, engine), reading) as session:
            yield session

    async def _leave(self, session: RequestSession, reading: bool, *raised: Any) -> bool | None:
        """End the session of a request, as the end of a block would."""
        if not session.is_open and raised[0] is None:
            session.end()
            return None
        block = self._ending(session, reading)
        await block.__aenter__()
        return await block.__aexit__(*raised)

    @asynccontextmanager
    async def _ending(self, session: RequestSession, reading: bool) -> AsyncIterator[RequestSession]:
        with translated(reading=reading):
            try:
                yield session
                await session.commit()
            except BaseException:
                # A client that has left cancels the request: the connection still goes back clean.
                with anyio.CancelScope(shield=True):
                    await session.rollback()
                raise
            finally:
                with anyio.CancelScope(shield=True):
                    await session.close()


def _create_engine(url: URL, pool_size: int, turns: Turns, execution: dict[str, Any]) -> AsyncEngine:
    options: dict[str, Any] = {
        "execution_options": execution,
        "pool_size": pool_size,
        "max_overflow": pool_size,
        "pool_timeout": _POOL_TIMEOUT,
        # Of many that lie idle, the one that was used last: what a server keeps for it is still at hand.
        "pool_use_lifo": True,
        # Parameters hold passwords and keys: no error message and no log may show them.
        "hide_parameters": True,
    }
    if url.get_backend_name() == "sqlite":
        engine = sqlite.create_engine(url, turns, **options)
    else:
        engine = create_async_engine(
            "postgresql+asyncpg://",
            async_creator=_postgresql_connector(url),
            poolclass=if_proven(liveness.WatchedPool),
            **options,
        )
        liveness.watch(engine.sync_engine)
    event.listen(engine.sync_engine, "handle_error", unify)
    return engine


def _listen(url: URL, notify: bool) -> wakes.Listen | None:
    if url.get_backend_name() == "sqlite":
        return partial(wakes.watch_sqlite, partial(sqlite.open_watch, url))
    return partial(wakes.listen_postgresql, _postgresql_connector(url)) if notify else None


def _postgresql_connector(url: URL) -> Callable[..., Awaitable[Any]]:
    """Connect by the URL as it was written: asyncpg itself knows `sslmode` and its kin."""
    # Optional: only the postgres extra brings the driver.
    import asyncpg

    dsn = url.set(drivername="postgresql").render_as_string(hide_password=False)
    settings = ";".join(f"SET {name} = '{value}'" for name, value in PATIENCE.items())

    async def connect() -> Any:
        try:
            connection = await asyncpg.connect(dsn, timeout=10, command_timeout=_COMMAND_TIMEOUT)
            try:
                # Not when connecting: PgBouncer refuses what it does not know there.
                await connection.execute(settings)
            except BaseException:  # also a cancellation: nobody else knows of it yet
                connection.terminate()
                raise
            return connection
        except (OSError, TimeoutError, asyncpg.PostgresError) as exc:
            raise DatabaseUnavailableError from exc

    return connect
