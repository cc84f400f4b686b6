"""Many rows in one request and one transaction: all of them, or, where asked for, those that can be."""

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
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
from sqlalchemy import bindparam, delete, insert, select, update

from stanchion.database import now, record
from stanchion.database.failures import translated
from stanchion.errors import ContentTooLargeError, DomainError, ErrorDetail, InvalidError, UnavailableError
from stanchion.resource.access import Access
from stanchion.resource.announcer import VERSION
from stanchion.resource.table import Described
from stanchion.resource.writing import UPDATED, Writer

Row = TypeVar("Row")
Item = TypeVar("Item")
OnError = Literal["stop", "continue"]

MOST = 1000
"""Items of one request."""
MOST_TOLD = 100
"""Bad items that are told of, where nothing is done."""


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


class SomeBadError(Exception):
    """Raised by what writes many items at once where it knows which are bad; it has written nothing then."""

    def __init__(self, failed: Mapping[int, DomainError]) -> None:
        super().__init__(f"{len(failed)} items are bad")
        self.failed = failed


async def each(
    access: Access[Any],
    items: Sequence[Item | Bad],
    write: Callable[[Sequence[Item]], Awaitable[Sequence[Any]]],
    on_error: OnError,
) -> list[Any]:
    """Write all items at once; where the database refuses one, find it by halves.

    Returns a result for each item: what was made of it, or, with `on_error="continue"`, a DomainError or a
    Bad. With "stop" a bad item raises RequestValidationError or BulkError (of the first 100 or so), and
    nothing is written. Each of n bad items that only the database can tell costs some log2(1000) statements.
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
    good = [(index, item) for index, item in enumerate(items) if not isinstance(item, Bad)]
    done = await _written(access, good, write, MOST_TOLD if on_error == "stop" else MOST)
    failed = {index: result for index, result in sorted(done.items()) if isinstance(result, DomainError)}
    if failed and on_error == "stop":
        raise BulkError(failed)
    return [done.get(index, item) for index, item in enumerate(items)]


async def _written(
    access: Access[Any],
    items: Sequence[tuple[int, Item]],
    write: Callable[[Sequence[Item]], Awaitable[Sequence[Any]]],
    most: int,
) -> dict[int, Any]:
    """Return, by index, what became of the items; after `most` bad ones the others are left."""
    if not items or most <= 0:
        return {}
    try:
        with translated():
            async with access.session.begin_nested():
                done = await write([item for _, item in items])
        return dict(zip((index for index, _ in items), done, strict=True))
    except SomeBadError as exc:
        failed = {items[place][0]: error for place, error in exc.failed.items()}
        rest = [one for place, one in enumerate(items) if place not in exc.failed]
        return failed | await _written(access, rest, write, most - len(failed))
    except UnavailableError:
        raise
    except DomainError as exc:
        if len(items) == 1:
            return {items[0][0]: exc}
    half = len(items) // 2
    first = await _written(access, items[:half], write, most)
    failures = sum(isinstance(one, DomainError) for one in first.values())
    return first | await _written(access, items[half:], write, most - failures)


class BulkWriter(Generic[Row]):
    """Writes many rows in a few statements, however many there are."""

    def __init__(self, table: Described, writer: Writer[Row]) -> None:
        self._table, self._writer = table, writer

    async def create(self, access: Access[Row], items: Sequence[Mapping[str, Any]]) -> Sequence[Row]:
        """Insert the rows: one statement."""
        await self._writer.check(access, items)
        made = [self._writer.made({**item, **access.values}) for item in items]
        # SQLite numbers rows in the order of the statement; SQLAlchemy would insert them one by one there.
        in_order = access.session.get_bind().dialect.name == "sqlite" and self._is_ordered(made)
        statement = insert(access.model).returning(access.model, sort_by_parameter_order=not in_order)
        async with self._writer.named(access, _only(made)):
            found = (await access.session.scalars(statement, made)).all()
        rows = self._in_order(found, made) if in_order else found
        for row in rows:
            self._record(access, "created", getattr(row, self._table.key_name))
        await self._writer.announce(access, "created", rows)
        return rows

    async def update(
        self, access: Access[Row], items: Sequence[Mapping[str, Any]], *, kind: str = "updated"
    ) -> Sequence[Row]:
        """Change the rows whose ids the items have: lock, change, read; three statements.

        They are locked in the order of their ids, so that two requests do not wait for each other.
        One for which nothing is sent stays as it is; the others are told of as `kind`. Raises SomeBadError
        for those that are not there, or are named twice.
        """
        await self._writer.check(access, items)
        name, key = self._table.key_name, self._table.key
        ids = [item[name] for item in items]
        locked = access.select().where(key.in_(ids)).order_by(key).with_for_update()
        rows = {getattr(row, name): row for row in await access.session.scalars(locked)}
        self._all_there(ids, rows)
        wanted = {
            item[name]: {**self._writer.sent(access, item), **access.changes}
            for item in items
            if len(item) > 1
        }
        columns = sorted({column for item in wanted.values() for column in item} - {name})
        if not columns:
            return [rows[one] for one in ids]
        changed = [
            {f"new_{one}": values.get(one, getattr(rows[row_id], one)) for one in columns} | {"which": row_id}
            for row_id, values in wanted.items()
        ]
        await self._change(access, columns, changed)
        # By their ids alone: a change may take a row out of the caller's sight.
        read = select(access.model).where(key.in_(ids)).execution_options(populate_existing=True)
        fresh = {getattr(row, name): row for row in await access.session.scalars(read)}
        await self._writer.announce(access, kind, [fresh[one] for one in wanted])
        return [fresh[one] for one in ids]

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
        only = _only([{one: row[f"new_{one}"] for one in columns} for row in changed])
        async with self._writer.named(access, only):
            connection = await access.session.connection()
            await connection.execute(statement, changed)
        for one in changed:
            self._record(access, "changed", one["which"])

    async def delete(self, access: Access[Row], ids: Sequence[Any]) -> Sequence[Any]:
        """Delete the rows: one statement, which locks them in the order of their ids.

        Raises SomeBadError for those that are not there, or are named twice.
        """
        key = self._table.key
        locked = select(key).where(key.in_(ids), *access.where).order_by(key).with_for_update()
        statement = (
            delete(access.model)
            .where(key.in_(locked.scalar_subquery()))
            .returning(self._writer.told)
            .execution_options(synchronize_session=False, populate_existing=True)
        )
        async with self._writer.referenced():
            found = (await access.session.scalars(statement)).all()
        self._all_there(ids, [self._writer.key_of(one) for one in found])
        await self._writer.announce(access, "deleted", found)
        for one in ids:
            self._record(access, "deleted", one)
        return ids

    def _all_there(self, ids: Sequence[Any], found: Collection[Any]) -> None:
        """Raise SomeBadError for the ids that are not among those found, and for the second of two."""
        there, named, failed = set(found), set[Any](), dict[int, DomainError]()
        for place, one in enumerate(ids):
            if one not in there:
                failed[place] = self._writer.missing()
            elif one in named:
                failed[place] = InvalidError("It is named twice.", "named_twice")
            named.add(one)
        if failed:
            raise SomeBadError(failed)

    def _is_ordered(self, made: Sequence[Mapping[str, Any]]) -> bool:
        """Tell whether SQLite's answer can be put in order: by keys that are given, or are counted."""
        given = sum(self._table.key_name in values for values in made)
        return given == len(made) or (self._table.is_counted and not given)

    def _in_order(self, rows: Sequence[Row], made: Sequence[Mapping[str, Any]]) -> Sequence[Row]:
        """Return new rows in the order of what they were made of."""
        name = self._table.key_name
        by_key = {getattr(row, name): row for row in rows}
        if all(name in values for values in made):
            return [by_key[values[name]] for values in made]
        return [by_key[key] for key in sorted(by_key)]

    def _record(self, access: Access[Row], action: str, row_id: Any) -> None:
        record(access.session, action, table=self._table.table.name, id=row_id)


def _only(rows: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    """Return the values where there is one row: SQLite does not say which reference leads to nothing."""
    return rows[0] if len(rows) == 1 else {}
