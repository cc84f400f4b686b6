"""/api/actions: what takes longer than a request, done by a job in the background."""

from collections.abc import AsyncIterator
from typing import Annotated

import structlog
from fastapi import APIRouter, BackgroundTasks, Body, Depends, Path, Request, Response
from fastapi.openapi.models import Example
from fastapi.sse import EventSourceResponse, ServerSentEvent

from database import SessionDep
from dependencies import CallerDep, idempotency
from files import find_file
from jobs import archive_completed, build_export, import_file, jobs
from schemas import ActionCreate, ActionResponse, ImportFile
from stanchion.errors import InvalidError, NotFoundError, UnavailableError, responses
from stanchion.headers import headers, location
from stanchion.idempotency import IdempotentRoute
from stanchion.jobs import Job, JobFunction, Status

router = APIRouter(
    prefix="/api/actions",
    tags=["actions"],
    responses=responses(UnavailableError),
    route_class=IdempotentRoute,
)

log = structlog.stdlib.get_logger("actions")

ACTIONS: dict[str, JobFunction[..., object]] = {
    "archive_completed": archive_completed,
    "import_file": import_file,
    "build_export": build_export,
}
"""The jobs that can be asked for, by the name of each; what else its schema has are its arguments."""

EXAMPLES: dict[str, Example] = {
    "archive": {"value": {"name": "archive_completed"}},
    "import": {"value": {"name": "import_file", "file_id": 9}},
    "export": {"value": {"name": "build_export", "format": "csv"}},
}


class ActionNotFoundError(NotFoundError):
    """There is no such action, or it is somebody else's."""

    default_message = "Action not found"
    default_code = "action_not_found"


ActionId = Annotated[int, Path(ge=1, le=2**63 - 1, description="The action's id.", examples=[12])]


def log_action(name: str, action_id: int) -> None:
    """Tell what was asked for. It runs after the response, and may be lost if the process dies."""
    log.info("action", name=name, id=action_id)


async def get_action(action_id: ActionId, session: SessionDep, caller: CallerDep) -> Job:
    """Return the job of one of the caller's actions."""
    job = await jobs.get(session, action_id)
    if job is None or job.name not in ACTIONS or job.arguments["owner_id"] != caller.user_id:
        raise ActionNotFoundError
    return job


ActionDep = Annotated[Job, Depends(get_action)]


@router.post(
    "",
    status_code=202,
    summary="Ask for an action",
    responses={202: headers("Location")},
    dependencies=[Depends(idempotency)],
)
async def create_action(
    body: Annotated[ActionCreate, Body(openapi_examples=EXAMPLES)],
    request: Request,
    response: Response,
    tasks: BackgroundTasks,
    session: SessionDep,
    caller: CallerDep,
) -> ActionResponse:
    """Archive your completed todos, import a file, or build an export; follow it at `Location`."""
    if isinstance(body, ImportFile) and not await find_file(session, body.file_id, caller):
        raise InvalidError("There is no such file.", loc=("body", "file_id"), type="file_not_found")
    arguments = body.model_dump(exclude={"name"})
    action_id = await jobs.enqueue(session, ACTIONS[body.name], owner_id=caller.user_id, **arguments)
    tasks.add_task(log_action, body.name, action_id)
    response.headers["Location"] = location(request, f"/api/actions/{action_id}")
    return ActionResponse.of(await get_action(action_id, session, caller))


@router.get("/{action_id}", summary="Read an action", responses=responses(ActionNotFoundError))
async def read_action(action: ActionDep) -> ActionResponse:
    """Read one of your actions. It is kept for a week after its end, a month where it failed."""
    return ActionResponse.of(action)


@router.get(
    "/{action_id}/events",
    response_class=EventSourceResponse,
    summary="Follow an action",
    responses=responses(ActionNotFoundError),
)
async def stream_action(action: ActionDep) -> AsyncIterator[ServerSentEvent]:
    """Send the action as `progress` events while it changes, and in the end as `done` or `failed`."""
    async for job in jobs.watch(action.id):
        event = "progress" if not job.is_finished else "done" if job.status is Status.done else "failed"
        yield ServerSentEvent(event=event, data=ActionResponse.of(job))
