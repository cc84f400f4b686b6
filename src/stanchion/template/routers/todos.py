"""/api/todos: each caller's own."""

from typing import Annotated

from fastapi import APIRouter, Path, Query, Request, Response
from sqlalchemy import func
from sqlmodel import col, select

from database import SessionDep
from dependencies import CallerDep, owned
from models import Todo
from schemas import TodoCreate, TodoPage, TodoResponse, TodoUpdate
from stanchion import Caller
from stanchion.concurrency import IfMatch, IfNoneMatch, etag
from stanchion.database import now
from stanchion.errors import NotFoundError, PreconditionFailedError, UnavailableError, responses
from stanchion.headers import headers, location
from stanchion.pagination import add_links

router = APIRouter(prefix="/api/todos", tags=["todos"], responses=responses(UnavailableError))


class TodoNotFoundError(NotFoundError):
    """There is no such todo, or it is somebody else's."""

    default_message = "Todo not found"
    default_code = "todo_not_found"


TodoId = Annotated[int, Path(ge=1, le=2**63 - 1, description="The todo's id.", examples=[7])]


async def find(session: SessionDep, caller: Caller, todo_id: int, *, lock: bool = False) -> Todo:
    """Return the caller's todo, locked against other writers if asked. Everyone else's is a 404."""
    query = select(Todo).where(Todo.id == todo_id, owned(Todo.owner_id, caller))
    todo = (await session.scalars(query.with_for_update() if lock else query)).one_or_none()
    if todo is None:
        raise TodoNotFoundError
    return todo


@router.get("", summary="List todos", responses={200: headers("Link", "X-Total-Count")})
async def list_todos(
    page: Annotated[TodoPage, Query()],
    request: Request,
    response: Response,
    session: SessionDep,
    caller: CallerDep,
) -> list[TodoResponse]:
    """List your todos, oldest first. `Link` leads to the other pages."""
    query = select(Todo).where(owned(Todo.owner_id, caller))
    if page.status:
        query = query.where(Todo.status == page.status)
    if page.count:
        total = await session.scalar(select(func.count()).select_from(query.subquery()))
        response.headers["X-Total-Count"] = str(total)
    rows = (
        await session.scalars(query.order_by(col(Todo.id)).offset(page.offset).limit(page.limit + 1))
    ).all()
    add_links(request, response, page, more=len(rows) > page.limit)
    return [TodoResponse.model_validate(row) for row in rows[: page.limit]]


@router.post("", status_code=201, summary="Create a todo", responses={201: headers("Location", "ETag")})
async def create_todo(
    body: TodoCreate, request: Request, response: Response, session: SessionDep, caller: CallerDep
) -> TodoResponse:
    """Create a todo of yours."""
    todo = Todo(**body.model_dump(), owner_id=caller.user_id)
    todo.updated_at = todo.created_at
    session.add(todo)
    await session.flush()
    response.headers["Location"] = location(request, f"/api/todos/{todo.id}")
    response.headers["ETag"] = etag(todo.version)
    return TodoResponse.model_validate(todo)


@router.get(
    "/{todo_id}",
    summary="Read a todo",
    response_model=TodoResponse,
    responses={200: headers("ETag"), 304: headers("ETag"), **responses(TodoNotFoundError)},
)
async def read_todo(
    todo_id: TodoId, match: IfNoneMatch, response: Response, session: SessionDep, caller: CallerDep
) -> TodoResponse | Response:
    """Read one of your todos. With `If-None-Match`, 304 while it has not changed."""
    todo = await find(session, caller, todo_id)
    tag = etag(todo.version)
    if match.holds(tag):
        return Response(status_code=304, headers={"ETag": tag})
    response.headers["ETag"] = tag
    return TodoResponse.model_validate(todo)


change = {200: headers("ETag"), **responses(TodoNotFoundError, PreconditionFailedError)}


@router.put("/{todo_id}", summary="Change a todo, as PATCH does", name="replace_todo", responses=change)
@router.patch("/{todo_id}", summary="Change a todo", responses=change)
async def update_todo(
    todo_id: TodoId,
    body: TodoUpdate,
    match: IfMatch,
    response: Response,
    session: SessionDep,
    caller: CallerDep,
) -> TodoResponse:
    """Change the fields that are sent; the others stay. With `If-Match`, only that version."""
    todo = await find(session, caller, todo_id, lock=True)
    match.require(etag(todo.version))
    if changes := body.model_dump():
        todo.sqlmodel_update(changes)
        todo.version += 1
        todo.updated_at = now()
        await session.flush()
    response.headers["ETag"] = etag(todo.version)
    return TodoResponse.model_validate(todo)


@router.delete(
    "/{todo_id}",
    status_code=204,
    summary="Delete a todo",
    responses=responses(TodoNotFoundError, PreconditionFailedError),
)
async def delete_todo(todo_id: TodoId, match: IfMatch, session: SessionDep, caller: CallerDep) -> None:
    """Delete one of your todos. With `If-Match`, only that version."""
    todo = await find(session, caller, todo_id, lock=True)
    match.require(etag(todo.version))
    await session.delete(todo)
