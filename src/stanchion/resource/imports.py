"""POST /import: a file of new rows, all of them or none."""

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from email.message import Message
from typing import TYPE_CHECKING, Annotated, Any

import anyio.to_thread
from fastapi import Depends, Request
from pydantic import BaseModel, Field
from starlette.requests import ClientDisconnect

from stanchion.errors import (
    ConflictError,
    ContentTooLargeError,
    DomainError,
    InvalidError,
    UnavailableError,
    responses,
)
from stanchion.resource.access import Access
from stanchion.resource.endpoints import Endpoint
from stanchion.resource.filing import Filing
from stanchion.resource.formats import CSV, MEDIA_TYPES, NDJSON, JSONLines, Table
from stanchion.resource.intake import MOST, Intake
from stanchion.resource.interval import let_go
from stanchion.resource.lines import Lines
from stanchion.resource.names import fields
from stanchion.resource.records import Reader, readers
from stanchion.resource.sample import sample
from stanchion.resource.signature import given, typed
from stanchion.stack import function_stack

if TYPE_CHECKING:
    from stanchion.resource.resource import Resource

_AT_ONCE = 64 * 1024
"""Bytes that go to a thread together."""

_RETRY_AFTER = 10
"""Seconds after which a client may ask again for the place of another import."""


class UnsupportedMediaTypeError(DomainError):
    """415: no format that can be read; `Accept` names those that can. RFC 9110, 15.5.16."""

    status = 415
    default_message = f"Send {NDJSON} or {CSV}, in UTF-8, without a Content-Encoding."
    default_code = "unsupported_media_type"

    def __init__(self, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(headers=headers or {"Accept": f"{NDJSON}, {CSV}"})


class TooManyImportsError(UnavailableError):
    """503: this process takes in as many files as it may."""

    default_message = "Too many files are being imported: try again later."
    default_code = "too_many_imports"


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
    by_type = {MEDIA_TYPES[name]: one for name, one in readers(create, resource.response).items()}

    async def rows(intake: Intake, access: Access[Any]) -> Imported:
        await Filing(resource, access, intake).write()
        return Imported(imported=intake.count)

    doc = (
        f"Make {many} of the lines of a file: all, or none, and then `errors` names each bad line by its "
        f"number (the first {MOST}). In CSV the first line names the fields, and an empty cell is null, or a "
        "field that is not sent where it may not be null. What an export has and a new row does not take, "
        "such as its id, is passed over."
    )
    call = typed(
        rows,
        f"import_{resource.table.plural}",
        doc,
        # In this order: what checks and fills is asked in the transaction that writes, and not before.
        {"intake": _intake(resource, by_type), "access": resource.hooks.writing},
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
        options={"openapi_extra": {"requestBody": _body(by_type, create)}, "max_body_size": sys.maxsize},
    )


def _intake(resource: "Resource[Any]", readers: Mapping[str, Reader]) -> Any:
    """Return the parameter for the file: it is taken in when it is known who is asking."""
    caller = type(resource).caller
    asked = {} if caller is None else {"caller": Annotated[Any, Depends(caller)]}

    async def intake(request: Request, caller: Any) -> Intake:
        reader = _reader(request, readers)
        stack = function_stack(request)
        stack.enter_context(_place(resource.max_imports))
        await let_go(request, type(resource).session)
        found = stack.enter_context(Intake(reader.records()))
        await _receive(request, found, resource.max_import_size)
        return found

    call = typed(intake, "intake", "", {"caller": Annotated[Any, Depends(given(asked))]})
    return Annotated[Intake, Depends(call)]


def _reader(request: Request, readers: Mapping[str, Reader]) -> Reader:
    """Return the format that the request names. Raises UnsupportedMediaTypeError (415)."""
    if request.headers.get("content-encoding", "identity").strip().lower() != "identity":
        raise UnsupportedMediaTypeError({"Accept-Encoding": "identity"})
    kind = Message()
    kind["content-type"] = request.headers.get("content-type", "")
    reader = readers.get(kind.get_content_type())
    if reader is None or str(kind.get_param("charset", "utf-8")).lower() not in ("utf-8", "utf8"):
        raise UnsupportedMediaTypeError
    return reader


class _UnderWay:
    """How many imports this process has."""

    count = 0


@contextmanager
def _place(most: int) -> Iterator[None]:
    """Hold one of the places that there are. Raises TooManyImportsError (503) where there is none."""
    if _UnderWay.count >= most:
        raise TooManyImportsError(retry_after=_RETRY_AFTER)
    _UnderWay.count += 1
    try:
        yield
    finally:
        _UnderWay.count -= 1


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


def _example(create: type[BaseModel]) -> InvalidError:
    place = sorted(fields(create))[:1]
    errors = [{"loc": ["body", 3, *place], "msg": "Field required", "type": "missing"}]
    return InvalidError("Nothing was imported: 1 line is bad.", errors=errors)


def _body(readers: Mapping[str, Reader], create: type[BaseModel]) -> dict[str, Any]:
    row = sample(create)
    formats = (JSONLines(), Table(list(row.model_dump()))) if row else ()
    examples = {one.media_type: one.begin() + one.encode([row]) for one in formats if row}
    return {
        "required": True,
        "content": {
            media_type: {"schema": {"type": "string"}}
            | (
                {"example": found.decode()}
                if (found := examples.get(media_type)) and _fits(reader, found)
                else {}
            )
            for media_type, reader in readers.items()
        },
    }


def _fits(reader: Reader, example: bytes) -> bool:
    """Tell whether an example can be sent."""
    lines, records = Lines(), reader.records()
    found = [
        one for part in (lines.feed(example), lines.end()) for line in part for one in records.read(*line)
    ]
    return bool(found) and all(isinstance(values, dict) for _, values in found)
