"""/api/actions: something to be done to many todos at once."""

from typing import Annotated

import structlog
from fastapi import APIRouter, BackgroundTasks, Path, Request, Response
from sqlmodel import col, delete, select, update

from database import SessionDep
from dependencies import CallerDep, owned
from models import Action, Todo, TodoStatus
from schemas import ActionCreate, ActionName, ActionResponse
from stanchion.database import now
from stanchion.errors import NotFoundError, UnavailableError, responses
from stanchion.headers import headers, location

router = APIRouter(prefix="/api/actions", tags=["actions"], responses=responses(UnavailableError))

log = structlog.stdlib.get_logger("actions")


class ActionNotFoundError(NotFoundError):
    """There is no such action, or it is somebody else's."""

    default_message = "Action not found"
    default_code = "action_not_found"


ActionId = Annotated[int, Path(ge=1, le=2**63 - 1, description="The action's id.", examples=[12])]


def log_action(name: str, affected: int) -> None:
    """Tell what was done. It runs after the response, and may be lost if the process dies."""
    log.info("action", name=name, affected=affected)


@router.post("", status_code=202, summary="Ask for an action", responses={202: headers("Location")})
async def create_action(
    body: ActionCreate,
    request: Request,
    response: Response,
    tasks: BackgroundTasks,
    session: SessionDep,
    caller: CallerDep,
) -> ActionResponse:
    """Complete all your todos, or delete the completed ones."""
    wanted = TodoStatus.active if body.name is ActionName.complete_all else TodoStatus.completed
    mine = owned(Todo.owner_id, caller), col(Todo.status) == wanted
    changes = {"status": TodoStatus.completed, "version": col(Todo.version) + 1, "updated_at": now()}
    connection = await session.connection()
    result = await connection.execute(
        update(Todo).where(*mine).values(changes)
        if body.name is ActionName.complete_all
        else delete(Todo).where(*mine)
    )
    action = Action(owner_id=caller.user_id, name=body.name, affected=result.rowcount)
    session.add(action)
    await session.flush()
    tasks.add_task(log_action, action.name, action.affected)
    response.headers["Location"] = location(request, f"/api/actions/{action.id}")
    return ActionResponse.model_validate(action)


@router.get("/{action_id}", summary="Read an action", responses=responses(ActionNotFoundError))
async def read_action(action_id: ActionId, session: SessionDep, caller: CallerDep) -> ActionResponse:
    """Read one of your actions."""
    mine = owned(Action.owner_id, caller)
    action = (await session.scalars(select(Action).where(Action.id == action_id, mine))).one_or_none()
    if action is None:
        raise ActionNotFoundError
    return ActionResponse.model_validate(action)
