"""POST /import: a file of new rows, all of them or none."""

import sys
from collections.abc import Callable, Mapping
from email.message import Message
from typing import TYPE_CHECKING, Any

import anyio.to_thread
import structlog
from fastapi import Request
from pydantic import BaseModel, Field
from sqlalchemy import insert
from starlette.requests import ClientDisconnect

from stanchion.database import on_commit
from stanchion.database.failures import translated
from stanchion.errors import (
    ConflictError,
    ContentTooLargeError,
    DomainError,
    InvalidError,
    UnavailableError,
    responses,
)
from stanchion.resource.access import Access
from stanchion.resource.bulk import BulkError
from stanchion.resource.endpoints import Endpoint
from stanchion.resource.formats import CSV, NDJSON, JSONLines, Table
from stanchion.resource.intake import MOST, Batch, Intake
from stanchion.resource.names import fields
from stanchion.resource.records import CSVRecords, JSONRecords, Records, Values
from stanchion.resource.sample import sample
from stanchion.resource.signature import typed

if TYPE_CHECKING:
    from stanchion.resource.resource import Resource

_AT_ONCE = 64 * 1024
"""Bytes that go to a thread together."""

log = structlog.stdlib.get_logger("stanchion.resource")


class UnsupportedMediaTypeError(DomainError):
    """415: no format that can be read; `Accept` names those that can. RFC 9110, 15.5.16."""

    status = 415
    default_message = f"Send {NDJSON} or {CSV}, in UTF-8, without a Content-Encoding."
    default_code = "unsupported_media_type"

    def __init__(self) -> None:
        super().__init__(headers={"Accept": f"{NDJSON}, {CSV}"})


class BrokenOffError(DomainError):
    """400: the client has left before the whole file was here."""

    default_message = "The file has not arrived as a whole."
    default_code = "broken_off"


class Imported(BaseModel):
    """How many rows were made."""

    imported: int = Field(examples=[1000])


def import_(resource: "Resource[Any]", create: type[BaseModel]) -> Endpoint:
    """POST /import: new rows of the caller's, from JSON lines or CSV."""
    many = resource.table.plural.replace("_", " ")

    async def rows(request: Request, access: Access[Any]) -> Imported:
        records = _records(request, create, resource.response)
        # What the hooks have read ends here: on SQLite nobody else could write until the file has arrived.
        await access.session.commit()

        def made(values: Values) -> Values:
            return resource.writer.made({**values, **access.values})

        with Intake(records, made) as intake:
            await _receive(request, intake, resource.max_import_size)
            await _write(resource, access, intake)
        return Imported(imported=intake.count)

    doc = (
        f"Make {many} of the lines of a file: all, or none, and then `errors` names each bad line by its "
        f"number (the first {MOST}). In CSV the first line names the fields, and an empty cell is a field "
        "that is not sent. What an export has and a new row does not take, such as its id, is passed over."
    )
    call = typed(
        rows,
        f"import_{resource.table.plural}",
        doc,
        {"access": resource.writing},
    )
    errors: list[DomainError] = [ContentTooLargeError(), UnsupportedMediaTypeError(), _example(create)]
    errors += [ConflictError()] if resource.can_conflict else []
    return Endpoint(
        "import",
        "POST",
        "/import",
        call,
        f"Import {many}",
        201,
        {**responses(*errors)},
        Imported,
        runs_once=True,
        # The limit of the app is not for files; there is one of their own.
        options={"openapi_extra": {"requestBody": _body(create)}, "max_body_size": sys.maxsize},
    )


def _records(request: Request, create: type[BaseModel], response: type[BaseModel]) -> Records:
    """Return what reads the request's format. Raises UnsupportedMediaTypeError (415)."""
    kind = Message()
    kind["content-type"] = request.headers.get("content-type", "")
    charset = str(kind.get_param("charset", "utf-8")).lower()
    encoding = request.headers.get("content-encoding", "identity").lower()
    readers: dict[str, Callable[[type[BaseModel], type[BaseModel]], Records]] = {
        NDJSON: JSONRecords,
        CSV: CSVRecords,
    }
    reader = readers.get(kind.get_content_type())
    if reader is None or charset not in ("utf-8", "utf8") or encoding != "identity":
        raise UnsupportedMediaTypeError
    return reader(create, response)


async def _receive(request: Request, intake: Intake, limit: int) -> None:
    """Take in the body, in threads. Raises ContentTooLargeError (413) and InvalidError (422)."""
    too_large = ContentTooLargeError(
        f"The file is larger than {limit} bytes.", headers={"Connection": "close"}
    )
    announced = request.headers.get("content-length", "")
    if announced.isascii() and announced.isdigit() and int(announced.lstrip("0")[:20] or 0) > limit:
        raise too_large
    size, pending = 0, bytearray()
    try:
        async for chunk in request.stream():
            size += len(chunk)
            if size > limit:
                raise too_large
            pending += chunk
            if len(pending) >= _AT_ONCE:
                await anyio.to_thread.run_sync(intake.feed, bytes(pending))
                pending.clear()
    except ClientDisconnect as exc:
        raise BrokenOffError from exc
    await anyio.to_thread.run_sync(intake.feed, bytes(pending))
    await anyio.to_thread.run_sync(intake.end)


async def _write(resource: "Resource[Any]", access: Access[Any], intake: Intake) -> None:
    """Insert the rows in the request's transaction: a statement for each batch.

    Raises ConflictError (409) and InvalidError (422), naming lines of the first batch that is refused.
    """
    batches = intake.batches()
    while batch := await anyio.to_thread.run_sync(next, batches, None):
        try:
            await _insert(resource, access, [values for _, values in batch])
        except UnavailableError:
            raise
        except DomainError as exc:
            found = await _refused(resource, access, batch)
            if found is None:
                raise
            raise found from exc
    table = resource.table.table.name
    on_commit(access.session, log.info, "imported", table=table, rows=intake.count)


async def _refused(resource: "Resource[Any]", access: Access[Any], batch: Batch) -> BulkError | None:
    """Return what is told of a batch that the database refuses: its rows are tried one by one."""
    failed: dict[int, DomainError] = {}
    for line, values in batch:
        try:
            await _insert(resource, access, [values])
        except UnavailableError:
            raise
        except DomainError as exc:
            failed[line] = exc
            if len(failed) == MOST:
                break
    return BulkError(failed) if failed else None


async def _insert(resource: "Resource[Any]", access: Access[Any], rows: list[Values]) -> None:
    """Insert rows with one statement, in a savepoint of its own."""
    columns = {
        name: resource.table.mapper.column_attrs[name].columns[0].key for row in rows[:1] for name in row
    }
    named = [{columns[name]: value for name, value in row.items()} for row in rows]
    only: Mapping[str, Any] = rows[0] if len(rows) == 1 else {}
    with translated():
        async with resource.writer.named(access, only), access.session.begin_nested():
            await resource.writer.check(access, rows)
            connection = await access.session.connection()
            await connection.execute(insert(resource.table.table), named)


def _example(create: type[BaseModel]) -> InvalidError:
    place = sorted(fields(create))[:1]
    errors = [{"loc": ["body", 3, *place], "msg": "Field required", "type": "missing"}]
    return InvalidError("Nothing was imported: 1 line is bad.", errors=errors)


def _body(create: type[BaseModel]) -> dict[str, Any]:
    row = sample(create)
    formats = (JSONLines(), Table(list(row.model_dump())))
    return {
        "required": True,
        "content": {
            one.media_type: {
                "schema": {"type": "string"},
                "example": (one.begin() + one.encode([row])).decode(),
            }
            for one in formats
        },
    }
