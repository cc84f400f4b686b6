"""/api/files: what an action is to read, and what one has made."""

from typing import Annotated

from fastapi import Body, Depends, Path, Query, Request, Response
from fastapi.responses import StreamingResponse
from sqlalchemy import ColumnElement
from sqlmodel import col

from database import SessionDep, database
from dependencies import CallerDep, Resource, idempotency
from files import StorageFullError, check_storage, delete_file, find_file, read_parts
from models import File, FilePart
from schemas import StoredFile
from stanchion.errors import ContentTooLargeError, DomainError, responses
from stanchion.headers import headers, location
from stanchion.resource import MEDIA_TYPES, FileFormat


async def is_whole() -> ColumnElement[bool]:
    """Leave out what is still being written."""
    return col(File.size).is_not(None)


files = Resource(File, response=StoredFile, owner="owner_id", scope=is_whole, order="-id")
router = files.router(
    prefix="/api/files", tags=["files"], without=["read", "delete", "bulk_delete", "export"]
)

CONTENT = {media_type: {"schema": {"type": "string"}} for media_type in MEDIA_TYPES.values()}


class FormError(DomainError):
    """415: a form, where the body is to be the file itself. RFC 9110, 15.5.16."""

    status = 415
    default_message = "Send the file itself, not a form: with curl, --data-binary @FILE"
    default_code = "unsupported_media_type"


FULL = StorageFullError("Your files hold 184 of 200 bytes; 46 more do not fit: delete some.")
"""As the document shows it."""

Content = Annotated[
    bytes,
    Body(
        media_type="application/octet-stream",
        min_length=1,
        description="The file as it is, of MAX_BODY_SIZE at the most.",
        openapi_examples={"todo": {"value": '{"title": "Buy milk"}\n'}},
    ),
]
FormatOf = Annotated[
    FileFormat | None,
    Query(alias="format", description="A JSON object to a line, or CSV; else as the Content-Type says."),
]
FileId = Annotated[int, Path(ge=1, le=2**63 - 1, description="The file's id.", examples=[9])]


@router.post(
    "",
    status_code=201,
    summary="Send a file",
    responses={201: headers("Location"), **responses(FormError, ContentTooLargeError, FULL)},
    dependencies=[Depends(idempotency)],
)
async def create_file(
    content: Content,
    request: Request,
    response: Response,
    session: SessionDep,
    caller: CallerDep,
    form: FormatOf = None,
) -> StoredFile:
    """Keep a file for a week, such as one of todos for the action `import_file`."""
    sent = request.headers.get("content-type", "")
    if sent.startswith("multipart/"):
        raise FormError
    if form is None:
        form = "csv" if sent.startswith(MEDIA_TYPES["csv"]) else "ndjson"
    await check_storage(session, caller.user_id, len(content))
    file = File(owner_id=caller.user_id, format=form, size=len(content))
    session.add(file)
    await session.flush()
    session.add(FilePart(file_id=file.id, number=0, content=content))
    response.headers["Location"] = location(request, f"/api/files/{file.id}")
    return StoredFile.model_validate(file)


@router.get(
    "/{file_id}",
    response_class=StreamingResponse,
    summary="Download a file",
    responses={200: {"content": CONTENT}, **responses(files.missing)},
)
async def read_file(file: Annotated[File, Depends(files.find)]) -> StreamingResponse:
    """Download a file of yours: one that you have sent, or that the action `build_export` has made."""
    return StreamingResponse(
        read_parts(file),
        media_type=MEDIA_TYPES[file.format],
        headers={
            "Content-Length": str(file.size),  # one that breaks off does not look complete
            "Content-Disposition": f'attachment; filename="todos.{file.format}"',
        },
    )


@router.delete("/{file_id}", status_code=204, summary="Delete a file", responses=responses(files.missing))
async def remove_file(file_id: FileId, caller: CallerDep) -> None:
    """Delete a file of yours, for good. What is reading it breaks off."""
    async with database.read() as reader:
        file = await find_file(reader, file_id, caller)
    if file is None:
        raise files.missing
    await delete_file(file)  # in short transactions of its own
