"""Background jobs: what takes longer than a request may, and must not be lost. Workers run them."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta

from anyio import CancelScope
from sqlalchemy import ColumnElement
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col, func, select, update

from database import database
from dependencies import owned
from files import check_storage, delete_file, find_file, read_parts
from models import File, FilePart, Todo, TodoStatus
from routers.todos import todos
from stanchion.database import now
from stanchion.jobs import GiveUpError, JobContext, Jobs
from stanchion.resource import FileFormat
from stanchion.security import Caller

jobs = Jobs(database)

AT_ONCE = 1000
"""Todos that one statement archives, or old files that one reads, at the most."""


@dataclass
class Outcome:
    """What came of an action."""

    affected: int
    file_id: int | None = None


async def count(*conditions: ColumnElement[bool]) -> int:
    """Count the todos that an action is to reach; while it runs there may be more, or fewer."""
    async with database.read() as reader:
        return (await reader.scalars(select(func.count()).select_from(Todo).where(*conditions))).one()


@jobs.job()
async def archive_completed(context: JobContext, owner_id: int | None) -> Outcome:
    """Archive the completed todos of an owner."""
    caller = Caller(None, owner_id)
    completed = col(Todo.status) == TodoStatus.completed, col(Todo.archived).is_(False)
    mine = owned(Todo.owner_id, caller), *completed
    total = await count(*mine)
    await context.progress(0, total, "Archiving")
    some = select(col(Todo.id)).where(*mine).order_by(col(Todo.id)).limit(AT_ONCE).with_for_update()
    changes = {"archived": True, "version": col(Todo.version) + 1, "updated_at": now()}
    archive = update(Todo).where(col(Todo.id).in_(some)).values(changes).returning(Todo)
    # It commits together with the end of the job, when the function has returned: once, and all of it.
    session = await context.session()
    affected = 0
    while archived := (await session.scalars(archive)).all():
        await todos.announce(session, "updated", archived, caller)
        affected += len(archived)
        await context.progress(affected, max(affected, total), "Archiving")
    return Outcome(affected)


@jobs.job()
async def import_file(context: JobContext, owner_id: int | None, file_id: int) -> Outcome:
    """Make todos of the lines of a file: all of them, or none where one is bad."""
    caller = Caller(None, owner_id)
    async with database.read() as reader:
        file = await find_file(reader, file_id, caller)
    if file is None:
        raise GiveUpError("There is no such file, or no longer.")

    size = file.size or 0
    # Half of it is done when all is checked: each byte is checked, then written.

    async def parts() -> AsyncIterator[bytes]:
        read = 0
        async for part in read_parts(file):
            yield part
            read += len(part)
            await context.progress(read // 2, size, "Checking")

    async def writing() -> AsyncSession:
        await context.progress(size // 2, size, "Writing")
        return await context.session()

    affected = await todos.import_rows(writing, parts(), format=file.format, caller=caller)
    await context.progress(size, size, "Writing")
    return Outcome(affected)


@jobs.job()
async def build_export(context: JobContext, owner_id: int | None, format: FileFormat) -> Outcome:
    """Write the todos of an owner to a file, which is there for its owner when all of it is written."""
    caller = Caller(None, owner_id)
    total = await count(owned(Todo.owner_id, caller))
    await context.progress(0, total, "Writing")
    async with database.transaction() as session:
        session.add(file := File(owner_id=owner_id, format=format))
    assert file.id is not None
    number = size = rows = 0
    session = await context.session()  # nothing begins in it before its first statement
    try:
        async for piece in todos.export_rows(database.read, format=format, caller=caller):
            # Each in a transaction of its own: nobody waits for the whole, and nothing has it in memory.
            async with database.transaction() as short:
                await check_storage(short, owner_id, size + len(piece.content))
                short.add(FilePart(file_id=file.id, number=number, content=piece.content))
            number, size, rows = number + 1, size + len(piece.content), rows + piece.rows
            await context.progress(rows, max(rows, total), "Writing")
        await context.progress(rows, rows, "Writing")  # some may have been deleted meanwhile
        await check_storage(session, owner_id, size)  # again: other files may be there by now
        await session.execute(update(File).where(col(File.id) == file.id).values(size=size))
    except BaseException:  # also where it is cancelled: another attempt writes a file of its own
        with CancelScope(shield=True):
            await session.rollback()  # on SQLite nobody else can write before
            await delete_file(file)
        raise
    return Outcome(rows, file.id)


@jobs.cron("20 3 * * *")
async def delete_old_files() -> int:
    """Delete files that are a week old, those that an attempt left unfinished among them; return how many."""
    old = select(File).where(col(File.created_at) < now() - timedelta(days=7)).limit(AT_ONCE)
    count = 0
    while True:
        async with database.read() as reader:
            some = (await reader.scalars(old)).all()
        if not some:
            return count
        for file in some:
            await delete_file(file)
        count += len(some)
