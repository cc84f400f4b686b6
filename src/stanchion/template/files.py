"""Files in the database, in parts: what somebody has sent, and what an action has made."""

from collections.abc import AsyncIterator

from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, select

from database import database
from dependencies import owned
from models import File, FilePart
from stanchion.security import Caller


async def find_file(session: AsyncSession, file_id: int, caller: Caller) -> File | None:
    """Return a file of the caller's; None where there is none, or it is still being written."""
    mine = col(File.id) == file_id, owned(File.owner_id, caller), col(File.size).is_not(None)
    return (await session.scalars(select(File).where(*mine))).one_or_none()


async def read_parts(file: File) -> AsyncIterator[bytes]:
    """Give what is in a file. Raises LookupError where it is deleted meanwhile."""
    number = read = 0
    while read < (file.size or 0):
        async with database.read() as reader:
            part = await reader.get(FilePart, (file.id, number))
        if part is None:
            raise LookupError(f"File {file.id} was deleted while it was read.")
        yield part.content
        number, read = number + 1, read + len(part.content)
