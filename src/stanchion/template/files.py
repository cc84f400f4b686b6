"""Files in the database, in parts: what somebody has sent, and what an action has made."""

from collections.abc import AsyncIterator

from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, delete, func, select, update

from database import database
from dependencies import owned
from models import File, FilePart, User
from settings import settings
from stanchion.errors import ContentTooLargeError
from stanchion.security import Caller

PARTS_AT_ONCE = 100
"""Parts that one transaction deletes, at the most."""


class StorageFullError(ContentTooLargeError):
    """413: with it, the files of its owner would hold more than they may. Other bodies may still be taken."""

    default_message = "Your files would hold too much in all: delete some."
    default_code = "storage_full"


async def check_storage(session: AsyncSession, owner_id: int | None, size: int) -> None:
    """Refuse a file of this size where its owner's would hold too much. The service's own have no limit.

    The owner's row stays locked: of two files that are added at once, the second is asked with the first.
    """
    if owner_id is None:
        return
    owner = select(col(User.id)).where(col(User.id) == owner_id).with_for_update(key_share=True)
    await session.execute(owner)
    stored = await session.scalar(select(func.sum(col(File.size))).where(col(File.owner_id) == owner_id))
    held, most = int(stored or 0), settings.MAX_STORED_BYTES
    if held + size > most:
        raise StorageFullError(
            f"Your files hold {held} of {most} bytes; {size} more do not fit: delete some."
        )


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


async def delete_file(file: File) -> None:
    """Delete a file, some of its parts at a time: who else writes need not wait for the whole."""
    it, its = col(File.id) == file.id, col(FilePart.file_id) == file.id
    some = select(col(FilePart.number)).where(its).limit(PARTS_AT_ONCE)
    parts = delete(FilePart).where(its, col(FilePart.number).in_(some)).returning(col(FilePart.number))
    async with database.transaction() as session:
        await session.execute(update(File).where(it).values(size=None))  # nobody finds it from now on
    left = True
    while left:
        async with database.transaction() as session:
            left = bool((await session.scalars(parts)).all())
    async with database.transaction() as session:
        await session.execute(delete(File).where(it))
