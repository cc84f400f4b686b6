"""Rows of a file as they are written: all in one transaction, as short as it can be."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import anyio.to_thread
import structlog
from sqlalchemy import insert
from sqlalchemy.exc import DBAPIError

from stanchion.database import on_commit
from stanchion.database.failures import translated
from stanchion.errors import DomainError, UnavailableError
from stanchion.resource.access import Access
from stanchion.resource.bulk import BulkError
from stanchion.resource.intake import MOST, Batch, Intake
from stanchion.resource.records import Values
from stanchion.resource.spool import Spool
from stanchion.resource.statements import Inserts, Ready

if TYPE_CHECKING:
    from stanchion.resource.resource import Resource

log = structlog.stdlib.get_logger("stanchion.resource")


@dataclass(frozen=True)
class Prepared:
    """A batch as the driver takes it, and the rows that it refers to, by the columns that name them."""

    statements: list[Ready]
    named: dict[str, set[Any]]

    @property
    def references(self) -> list[dict[str, Any]]:
        """Return what is asked about: whether the caller may name these rows."""
        return [{name: value} for name, values in self.named.items() for value in values]


class Filing:
    """Writes the rows that were taken in, a batch in a savepoint each."""

    def __init__(self, resource: "Resource[Any]", access: Access[Any], intake: Intake) -> None:
        self._resource, self._access, self._intake = resource, access, intake
        self._dialect = access.session.get_bind(access.model).dialect
        self._inserts = Inserts(resource.table, self._dialect)
        self._failed: dict[int, DomainError] = {}
        self._unnamed: DomainError | None = None

    async def write(self) -> None:
        """Insert all rows in the request's transaction.

        Raises ConflictError (409) and InvalidError (422), which name lines: the first hundred that are bad.
        """
        sent = self._intake.batches()
        if self._locks_others_out and not self._is_told_of:
            async with self._prepared() as spool:
                await self._write_prepared(spool, sent)
        else:
            while len(self._failed) < MOST and (batch := await _next(sent)):
                await self._write_sent(batch)
        if self._failed:
            raise BulkError(dict(sorted(self._failed.items())))
        if self._unnamed:
            raise self._unnamed
        table = self._resource.table.table.name
        on_commit(self._access.session, log.info, "imported", table=table, rows=self._intake.count)

    @property
    def _locks_others_out(self) -> bool:
        """Tell whether the transaction, which has not begun, will be the only one that writes."""
        return self._dialect.name == "sqlite" and not self._access.session.in_transaction()

    @property
    def _is_told_of(self) -> bool:
        """Tell whether the rows are wanted as they were made: the driver's own statement returns none."""
        return self._resource.announcer is not None

    @asynccontextmanager
    async def _prepared(self) -> AsyncIterator[Spool[Prepared | None]]:
        """Give the parameters of the driver's own statements, made before the transaction begins."""
        with Spool[Prepared | None]() as spool:
            sent = self._intake.batches()

            def prepare() -> bool:
                batch = next(sent, None)
                if batch is not None:
                    spool.add(self._ready(batch))
                return batch is not None

            while await anyio.to_thread.run_sync(prepare):
                pass
            yield spool

    def _ready(self, batch: Batch) -> Prepared | None:
        try:
            statements = self._inserts.ready([self._made(values) for _, values in batch])
        except Exception:
            return None  # a value that its column does not take: SQLAlchemy says so, in `_insert`
        named = {
            name: {values[name] for _, values in batch if values.get(name) is not None}
            for name in self._access.references
        }
        return None if statements is None else Prepared(statements, named)

    async def _write_prepared(self, spool: Spool[Prepared | None], sent: Any) -> None:
        """Insert the batches by the driver; one that is refused is looked at as it was sent."""
        ready, passed = spool.batches(), 0
        for index in range(spool.count):
            if len(self._failed) >= MOST:
                return
            prepared = await anyio.to_thread.run_sync(next, ready)
            if prepared is not None and await self._drive(prepared):
                continue
            while passed <= index:
                batch = await _next(sent)
                passed += 1
            await self._write_sent(batch)

    async def _drive(self, prepared: Prepared) -> bool:
        """Tell whether the database has taken them."""
        session = self._access.session
        try:
            with translated():
                async with session.begin_nested():
                    connection = await session.connection()  # now: it begins the savepoint
                    assert connection.sync_connection is not None  # it is connected
                    if connection.sync_connection.get_execution_options().get("schema_translate_map"):
                        return False
                    await self._resource.writer.check(self._access, prepared.references)
                    for one in prepared.statements:
                        await connection.exec_driver_sql(one.statement, one.rows)
        except UnavailableError:
            raise
        except (DomainError, DBAPIError):
            return False
        return True

    async def _write_sent(self, batch: Batch) -> None:
        """Insert a batch. Of one that is refused each half is tried, until it is known which rows are bad."""
        known = len(self._failed)
        try:
            await self._insert([self._made(values) for _, values in batch])
        except UnavailableError:
            raise
        except DomainError as exc:
            if len(batch) == 1:
                self._failed[batch[0][0]] = exc
                return
            middle = len(batch) // 2
            for half in (batch[:middle], batch[middle:]):
                if len(self._failed) < MOST:
                    await self._write_sent(half)
            if len(self._failed) == known:
                self._unnamed = exc  # only together

    async def _insert(self, rows: list[Values]) -> None:
        """Insert rows in a savepoint of their own; what is told of them is in it too."""
        access, writer = self._access, self._resource.writer
        with translated():
            async with writer.named(access, rows[0] if len(rows) == 1 else {}), access.session.begin_nested():
                await writer.check(access, rows)
                if self._is_told_of:
                    made = insert(access.model).returning(access.model)
                    await writer.announce(access, "created", (await access.session.scalars(made, rows)).all())
                    return
                connection = await access.session.connection()
                for group in self._inserts.groups(rows):
                    await connection.execute(insert(self._resource.table.table), group)

    def _made(self, values: Values) -> Values:
        return self._resource.writer.made({**values, **self._access.values})


async def _next(batches: Any) -> Batch:
    """Return the next batch; an empty one where there is none."""
    found: Batch = await anyio.to_thread.run_sync(next, batches, [])
    return found
