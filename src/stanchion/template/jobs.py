"""Background jobs: what takes longer than a request may, and must not be lost. Workers run them."""

from sqlalchemy.exc import IntegrityError
from sqlmodel import col, delete, func, select, update

from database import database
from dependencies import owned
from models import Todo, TodoStatus
from routers.todos import todos
from stanchion.database import now
from stanchion.jobs import GiveUpError, JobContext, Jobs
from stanchion.security import Caller

jobs = Jobs(database)


@jobs.job()
async def complete_all(context: JobContext, owner_id: int | None) -> int:
    """Complete all todos of an owner, and return how many."""
    caller = Caller(None, owner_id)
    mine = owned(Todo.owner_id, caller), col(Todo.status) == TodoStatus.active
    changes = {"status": TodoStatus.completed, "version": col(Todo.version) + 1, "updated_at": now()}
    async with database.read() as reader:
        total = (await reader.scalars(select(func.count()).select_from(Todo).where(*mine))).one()
    await context.progress(0, total, "Completing")
    # It commits together with the end of the job, when the function has returned: once, and all of it.
    session = await context.session()
    changed = (await session.scalars(update(Todo).where(*mine).values(changes).returning(Todo))).all()
    await todos.announce(session, "updated", changed, caller)
    affected = len(changed)
    await context.progress(affected, affected)
    return affected


@jobs.job()
async def clear_completed(context: JobContext, owner_id: int | None) -> int:
    """Delete the completed todos of an owner, and return how many."""
    caller = Caller(None, owner_id)
    mine = owned(Todo.owner_id, caller), col(Todo.status) == TodoStatus.completed
    session = await context.session()
    try:
        deleted = (await session.scalars(delete(Todo).where(*mine).returning(Todo))).all()
    except IntegrityError as exc:
        raise GiveUpError("Something still refers to one of the todos.") from exc
    await todos.announce(session, "deleted", deleted, caller)
    affected = len(deleted)
    await context.progress(affected, affected)
    return affected
