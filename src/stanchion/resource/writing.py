"""The statements that write one row, each narrowed to what the caller may reach."""

import secrets
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Generic, TypeVar

from pydantic import BaseModel
from sqlalchemy import ColumnElement, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from stanchion.concurrency import Precondition
from stanchion.database import now, record, violated
from stanchion.errors import (
    ConflictError,
    DomainError,
    ForbiddenError,
    InvalidError,
    NotFoundError,
    PreconditionFailedError,
)
from stanchion.resource.access import Access
from stanchion.resource.announcer import VERSION, Announcer
from stanchion.resource.table import Described

Row = TypeVar("Row")

UPDATED = "updated_at"
_FIRST_VERSIONS = 2**30
TAKEN = frozenset({"bulk", "export", "import", "events"})
"""The last parts of the paths beside those of rows."""


def new(body: BaseModel) -> dict[str, Any]:
    """Return what a body gives for a new row: what was sent, and the schema's defaults.

    None that was not sent stands for nothing: the model has its own default.
    """
    sent = body.model_fields_set
    return {name: value for name, value in body.model_dump().items() if value is not None or name in sent}


class Writer(Generic[Row]):
    """Writes rows of one table: each write is one statement, which names the versions that it may change.

    `missing` is the 404 of this resource. With `ids_return` an id that was deleted may come again: then
    versions begin anywhere, so that no ETag of the row before is one of the row after (RFC 9110, 8.8.1).
    `owner` names the column of whose a row is where only a user can make one. `announcer` tells of what
    is written.
    """

    def __init__(
        self,
        table: Described,
        missing: type[NotFoundError],
        *,
        owner: str = "",
        ids_return: bool = False,
        announcer: Announcer | None = None,
    ) -> None:
        self.table, self.missing = table, missing
        self._owner = owner
        self._ids_return = ids_return and table.has(VERSION)
        self._announcer = announcer

    async def create(self, access: Access[Row], values: Mapping[str, Any]) -> Row:
        """Insert a row. Raises ConflictError (409) and InvalidError (422), which name the field."""
        await self.check(access, [values])
        made = self.made({**values, **access.values})
        async with self.named(access, made):
            statement = insert(access.model).values(made).returning(access.model)
            row = (await access.session.scalars(statement)).one()
        self._record(access, "created", row)
        await self.announce(access, "created", [row])
        return row

    async def update(
        self,
        access: Access[Row],
        row_id: Any,
        values: Mapping[str, Any],
        match: Precondition,
        *,
        kind: str = "updated",
    ) -> Row:
        """Change the columns of a row that is there, and of a version that `match` allows.

        It is told of as `kind`: one that is marked as deleted is `deleted`.
        Raises NotFoundError (404), PreconditionFailedError (412), ConflictError (409), InvalidError (422).
        """
        if not values:
            return await self._unchanged(access, row_id, match)
        await self.check(access, [values])
        changed = {**self.sent(access, values), **access.changes}
        row = await self._changed(access, row_id, changed, *self._allowed(match), kind=kind)
        if row is None:
            raise await self._why_not(access, row_id)
        return row

    async def restore(self, access: Access[Row], row_id: Any, deleted_at: str, match: Precondition) -> Row:
        """Bring back a row that is marked as deleted; one that is not stays as it is.

        Raises NotFoundError (404), PreconditionFailedError (412), and ConflictError (409) where another row
        has taken what is unique.
        """
        marked = self.table.column(deleted_at).is_not(None)
        changed = {deleted_at: None, **access.changes}
        row = await self._changed(access, row_id, changed, marked, *self._allowed(match), kind="created")
        return await self._unchanged(access, row_id, match) if row is None else row

    async def _changed(
        self,
        access: Access[Row],
        row_id: Any,
        values: Mapping[str, Any],
        *where: ColumnElement[bool],
        kind: str,
    ) -> Row | None:
        """Change a row where all of this holds, and return it; None where no row is so."""
        changed = dict(values)
        if self.table.has(VERSION):
            changed[VERSION] = self.table.column(VERSION) + 1
        if self.table.has(UPDATED):
            changed.setdefault(UPDATED, now())
        statement = (
            update(access.model)
            .where(self.table.key == row_id, *access.where, *where)
            .values(changed)
            .returning(access.model)
            .execution_options(synchronize_session=False, populate_existing=True)
        )
        async with self.named(access, values):
            row = (await access.session.scalars(statement)).one_or_none()
        if row is not None:
            self._record(access, "changed", row)
            await self.announce(access, kind, [row])
        return row

    async def delete(self, access: Access[Row], row_id: Any, match: Precondition) -> None:
        """Delete a row that is there, and of a version that `match` allows.

        Raises NotFoundError (404), PreconditionFailedError (412), and ConflictError (409) where other rows
        refer to it.
        """
        statement = (
            delete(access.model)
            .where(self.table.key == row_id, *access.where, *self._allowed(match))
            .returning(self.told)
            .execution_options(synchronize_session=False, populate_existing=True)
        )
        async with self.referenced():
            found = (await access.session.scalars(statement)).first()
        if found is None:
            raise await self._why_not(access, row_id)
        await self.announce(access, "deleted", [found])
        record(access.session, "deleted", table=self.table.table.name, id=row_id)

    @property
    def told(self) -> Any:
        """Return what a deletion returns of a row: all of it where it is told of, else its key."""
        return self.table.model if self._announcer else self.table.key

    def key_of(self, told: Any) -> Any:
        """Return the key in what a deletion returned."""
        return getattr(told, self.table.key_name) if self._announcer else told

    async def announce(self, access: Access[Row], kind: str, rows: Sequence[Row]) -> None:
        """Tell of rows that were written just now, in the same transaction."""
        if self._announcer is not None:
            await self._announcer.tell(access.session, kind, rows, access.caller)

    def sent(self, access: Access[Row], values: Mapping[str, Any]) -> dict[str, Any]:
        """Return what a client may change of what it sends: not what is filled in here."""
        return {name: value for name, value in values.items() if name not in access.values}

    def made(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Return the columns of a new row, with the model's own defaults.

        Raises InvalidError (422) for a key that no path can have, and ForbiddenError (403) where rows are
        users' and none is asking.
        """
        made = {**self.table.defaults(values), **values}
        if self._owner and made.get(self._owner) is None:
            raise ForbiddenError(f"Only a user can make a {self.table.words}.", "user_required")
        if isinstance(key := made.get(self.table.key_name), str):
            self._check_key(key)
        if self._ids_return and VERSION not in values:
            made[VERSION] = secrets.randbelow(_FIRST_VERSIONS) + 1
        if UPDATED not in values and UPDATED in made and "created_at" in made:
            made[UPDATED] = made["created_at"]
        return made

    def _check_key(self, key: str) -> None:
        if not key or "/" in key or key in (".", "..") or key in TAKEN:
            name = self.table.key_name
            message = "This would be no address: it is empty, has a '/', or is a word of the API's own."
            errors = [{"loc": ["body", name], "msg": message, "type": "unaddressable"}]
            raise InvalidError(message, "unaddressable", errors=errors, loc=("body",))

    async def check(self, access: Access[Row], items: Sequence[Mapping[str, Any]]) -> None:
        """Look whether the caller may name the rows that the items refer to: a statement for each column.

        Raises InvalidError (422), the same as for a row that is not there.
        """
        for name, other in access.references.items():
            named = {item[name] for item in items if item.get(name) is not None and name not in access.values}
            column = self.table.referred(name)
            if named and column is not None:
                there = select(column).where(column.in_(named), *other.where)
                if set(await access.session.scalars(there)) != named:
                    raise self.unknown([name])

    async def _unchanged(self, access: Access[Row], row_id: Any, match: Precondition) -> Row:
        statement = access.select().where(self.table.key == row_id, *self._allowed(match))
        row = (await access.session.scalars(statement)).one_or_none()
        if row is None:
            raise await self._why_not(access, row_id)
        return row

    def _allowed(self, match: Precondition) -> list[ColumnElement[bool]]:
        """Return the conditions that If-Match and If-None-Match stand for, in the statement itself."""
        return match.where(self.table.column(VERSION)) if self.table.has(VERSION) else []

    async def _why_not(self, access: Access[Row], row_id: Any) -> DomainError:
        there = select(self.table.key).where(self.table.key == row_id, *access.where)
        found = (await access.session.execute(there)).first()
        return self.missing() if found is None else PreconditionFailedError()

    def _record(self, access: Access[Row], action: str, row: Row) -> None:
        record(access.session, action, table=self.table.table.name, id=getattr(row, self.table.key_name))

    @asynccontextmanager
    async def referenced(self) -> AsyncIterator[None]:
        """Turn the rows that stand against a deletion into a 409."""
        try:
            yield
        except IntegrityError as exc:
            message = f"Something still refers to this {self.table.words}."
            raise ConflictError(message, "still_referenced") from exc

    @asynccontextmanager
    async def named(self, access: Access[Row], values: Mapping[str, Any]) -> AsyncIterator[None]:
        """Turn the constraint that stands against a write into an error that names the fields."""
        try:
            yield
        except IntegrityError as exc:
            found = violated(exc)
            if found is None or found.kind not in ("unique", "foreign_key"):
                raise
            columns = self.table.attributes(found.columns)
            if found.kind == "unique":
                raise self.taken(columns, access) from exc
            columns = columns or [one async for one in self._without_parent(access, values)]
            raise self.unknown(columns) from exc

    def taken(self, columns: Sequence[str], access: Access[Row]) -> ConflictError:
        """Return the 409 for values that another row has; columns that the server fills are not named."""
        named = [one for one in columns if one not in access.values] or list(columns)
        is_theirs = access.owner in columns and access.values[access.owner] is not None
        another = f"Another {self.table.words}{' of yours' if is_theirs else ''}"
        message = f"{another} has this {' and '.join(named) or 'value'}."
        errors = [{"loc": ["body", one], "msg": message, "type": "unique"} for one in named]
        return ConflictError(message, "already_exists", errors=errors)

    def unknown(self, columns: Sequence[str]) -> InvalidError:
        """Return the 422 for values that refer to what is not there."""
        message = f"There is nothing with this {' and '.join(columns) or 'reference'}."
        errors = [{"loc": ["body", one], "msg": message, "type": "foreign_key"} for one in columns]
        return InvalidError(message, "reference_not_found", errors=errors, loc=("body",))

    async def _without_parent(self, access: Access[Row], values: Mapping[str, Any]) -> AsyncIterator[str]:
        """Give the columns whose row of another table is not there: SQLite does not say which it was.

        A statement that SQLite refuses leaves the transaction open, so it can be asked.
        """
        for name, value in values.items():
            column = self.table.mapper.column_attrs[name].columns[0]
            for key in column.foreign_keys if value is not None else ():
                there = select(key.column).where(key.column == value)
                if (await access.session.execute(there)).first() is None:
                    yield name
