"""Many rows in one request and one transaction: all of them, or, where asked for, those that can be."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Annotated, Any, Generic, Literal, TypeVar

from fastapi.exceptions import RequestValidationError
from pydantic import (
    BaseModel,
    BeforeValidator,
    Field,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
)
from sqlalchemy import bindparam, delete, insert, update

from stanchion.database import now, record
from stanchion.errors import ContentTooLargeError, DomainError, ErrorDetail
from stanchion.resource.access import Access
from stanchion.resource.table import Described
from stanchion.resource.writing import UPDATED, VERSION, Writer

Row = TypeVar("Row")
Item = TypeVar("Item")
OnError = Literal["stop", "continue"]

MOST = 1000
"""Items of one request."""


class BulkError(DomainError):
    """What stands against a request of many: the status of the first bad item, and each by its index."""

    def __init__(self, failed: Mapping[int, DomainError]) -> None:
        first = next(iter(failed.values()))
        number = f"{len(failed)} items are" if len(failed) > 1 else "1 item is"
        super().__init__(f"Nothing was done: {number} bad. {first.message}", first.code)
        self.status = first.status  # type: ignore[misc] # of this one error, and not of its class
        self._failed = failed

    @property
    def extensions(self) -> dict[str, Any]:
        return {"errors": [one for index, error in self._failed.items() for one in details(index, error)]}


class Bad:
    """An item that does not fit its schema, kept until it is known what becomes of the others."""

    def __init__(self, error: ValidationError) -> None:
        self.errors = error.errors(include_url=False, include_input=False, include_context=False)


def many(item: Any) -> Any:
    """Return the type of a body of many items: at most 1,000, else 413. One that is bad comes as a Bad."""

    def lenient(value: Any, handler: ValidatorFunctionWrapHandler) -> Any:
        try:
            return handler(value)
        except ValidationError as exc:
            return Bad(exc)

    def bounded(value: Any) -> Any:
        if isinstance(value, list) and len(value) > MOST:
            raise ContentTooLargeError(f"Send at most {MOST:,} items in one request.")
        return value

    each = Annotated[item, WrapValidator(lenient)]
    limits = Field(min_length=1, json_schema_extra={"maxItems": MOST})
    return Annotated[list[each], limits, BeforeValidator(bounded)]


def details(index: int, error: DomainError) -> list[dict[str, Any]]:
    """Return what is wrong with an item, place by place."""
    found = error.extensions.get("errors") or [{"loc": ["body"], "msg": error.message, "type": error.code}]
    return [{**one, "loc": ["body", index, *one["loc"][1:]]} for one in found]


class BulkResult(BaseModel):
    """What became of one item."""

    status: int = Field(description="As for a request of its own.", examples=[201])
    error: str | None = Field(None, description="The code of what stood against it.")
    detail: str | None = None
    errors: list[ErrorDetail] = []


async def each(
    access: Access[Any],
    items: Sequence[Item | Bad],
    at_once: Callable[[Sequence[Item]], Awaitable[Sequence[Any]]],
    one: Callable[[Item], Awaitable[Any]],
    on_error: OnError,
) -> list[Any]:
    """Do what `at_once` does to all items; where that fails, `one` to each, to know which are bad.

    Returns a result for each item: what was made of it, or, with `on_error="continue"`, a DomainError or a
    Bad. With "stop" a bad item raises RequestValidationError or BulkError, and nothing is written.
    """
    bad = {index: item.errors for index, item in enumerate(items) if isinstance(item, Bad)}
    if bad and on_error == "stop":
        raise RequestValidationError(
            [
                {**error, "loc": ("body", index, *error["loc"])}
                for index, found in bad.items()
                for error in found
            ]
        )
    good = [item for item in items if not isinstance(item, Bad)]
    try:
        async with access.session.begin_nested():
            done = list(await at_once(good)) if good else []
    except DomainError:
        done = [await _alone(access, one, item) for item in good]
    failed = {index: result for index, result in enumerate(done) if isinstance(result, DomainError)}
    if failed and on_error == "stop":
        raise BulkError(failed)
    results = iter(done)
    return [item if isinstance(item, Bad) else next(results) for item in items]


async def _alone(access: Access[Any], one: Callable[[Item], Awaitable[Any]], item: Item) -> Any:
    try:
        async with access.session.begin_nested():
            return await one(item)
    except DomainError as exc:
        return exc


class BulkWriter(Generic[Row]):
    """Writes many rows in a few statements, however many there are."""

    def __init__(self, table: Described, writer: Writer[Row]) -> None:
        self._table, self._writer = table, writer

    async def create(self, access: Access[Row], items: Sequence[Mapping[str, Any]]) -> Sequence[Row]:
        """Insert the rows: one statement."""
        made = [self._writer.made({**item, **access.values}) for item in items]
        # SQLite numbers rows in the order of the statement; SQLAlchemy would insert them one by one there.
        ordered = access.session.get_bind().dialect.name != "sqlite"
        statement = insert(access.model).returning(access.model, sort_by_parameter_order=ordered)
        async with self._writer.named(access, {}):
            found = (await access.session.scalars(statement, made)).all()
        rows = found if ordered else self._in_order(found, made)
        for row in rows:
            self._record(access, "created", getattr(row, self._table.key_name))
        return rows

    async def update(self, access: Access[Row], items: Sequence[Mapping[str, Any]]) -> Sequence[Row]:
        """Change the rows whose ids the items have: lock, change, read; three statements.

        Raises the 404 of the resource where one is not there.
        """
        name = self._table.key_name
        wanted = {item[name]: {**item, **access.values} for item in items}
        locked = access.select().where(self._table.key.in_(wanted)).with_for_update()
        rows = {getattr(row, name): row for row in await access.session.scalars(locked)}
        if len(rows) < len(items):
            raise self._writer.missing
        columns = sorted({column for item in wanted.values() for column in item} - {name})
        if columns:
            changed = [
                {f"new_{one}": values.get(one, getattr(rows[key], one)) for one in columns} | {"which": key}
                for key, values in wanted.items()
            ]
            await self._change(access, columns, changed)
        read = access.select().where(self._table.key.in_(wanted)).execution_options(populate_existing=True)
        fresh = {getattr(row, name): row for row in await access.session.scalars(read)}
        return [fresh[item[name]] for item in items if item[name] in fresh]

    async def _change(
        self, access: Access[Row], columns: Sequence[str], changed: list[dict[str, Any]]
    ) -> None:
        table = self._table
        values: dict[Any, Any] = {table.column(one): bindparam(f"new_{one}") for one in columns}
        if table.has(VERSION):
            values[table.column(VERSION)] = table.column(VERSION) + 1
        if table.has(UPDATED):
            values.setdefault(table.column(UPDATED), now())
        statement = update(table.table).where(table.key == bindparam("which")).values(values)
        async with self._writer.named(access, {}):
            connection = await access.session.connection()
            await connection.execute(statement, changed)
        for one in changed:
            self._record(access, "changed", one["which"])

    async def delete(self, access: Access[Row], ids: Sequence[Any]) -> Sequence[Any]:
        """Delete the rows: one statement. Raises the 404 of the resource where one is not there."""
        statement = (
            delete(access.model)
            .where(self._table.key.in_(ids), *access.where)
            .returning(self._table.key)
            .execution_options(synchronize_session=False)
        )
        async with self._writer.referenced():
            found = set((await access.session.scalars(statement)).all())
        if len(found) < len(ids):
            raise self._writer.missing
        for one in ids:
            self._record(access, "deleted", one)
        return ids

    def _in_order(self, rows: Sequence[Row], made: Sequence[Mapping[str, Any]]) -> Sequence[Row]:
        """Return new rows in the order of what they were made of: by their own keys, or by those given."""
        name = self._table.key_name
        by_key = {getattr(row, name): row for row in rows}
        if all(name in values for values in made):
            return [by_key[values[name]] for values in made]
        return [by_key[key] for key in sorted(by_key)]

    def _record(self, access: Access[Row], action: str, row_id: Any) -> None:
        record(access.session, action, table=self._table.table.name, id=row_id)
