"""`stanchion jobs`: background jobs, listed, shown, tried again and cancelled from the terminal."""

import json
from enum import StrEnum
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from stanchion.cli.failure import Failure
from stanchion.cli.options import AppDir
from stanchion.cli.tables import minute, printable, show
from stanchion.cli.transaction import in_transaction

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncSession

    from stanchion.jobs import Failure as Error
    from stanchion.jobs import Job

_LARGEST_ID = 2**63 - 1
_HEADINGS = ("id", "job", "status", "attempt", "progress", "created")

jobs = typer.Typer(
    no_args_is_help=True, rich_markup_mode=None, help="List, show, retry and cancel background jobs."
)

JobId = Annotated[int, typer.Argument(metavar="ID", min=1, max=_LARGEST_ID, help="Its id, as in `list`.")]
JobIds = Annotated[
    list[int], typer.Argument(metavar="ID...", min=1, max=_LARGEST_ID, help="Their ids, as in `list`.")
]
Queue = Annotated[str | None, typer.Option(help="Only those of this queue.")]
Name = Annotated[str | None, typer.Option(help="Only those of this function.")]
Limit = Annotated[int, typer.Option(min=1, max=10_000, help="How many, the newest.")]


class Shown(StrEnum):
    """What a job may be."""

    queued = "queued"
    running = "running"
    done = "done"
    failed = "failed"
    cancelled = "cancelled"


@jobs.command("list")
def list_(
    status: Annotated[
        list[Shown] | None, typer.Option(help="Only these; give it again for more. [default: all]")
    ] = None,
    queue: Queue = None,
    name: Name = None,
    limit: Limit = 50,
    app_dir: AppDir = Path(),
) -> None:
    """List jobs, newest first; `show` has all of one."""
    found = _found(status or [], queue, name, limit, app_dir)
    rows = (
        (job.id, job.name, _status(job), _attempt(job), _share(job), minute(job.created_at)) for job in found
    )
    show(_HEADINGS, rows, empty="No jobs.", wrapped="job")


@jobs.command()
def dead(queue: Queue = None, name: Name = None, limit: Limit = 50, app_dir: AppDir = Path()) -> None:
    """List the dead letters: jobs that have failed for good, with their last error."""
    rows = (
        (
            job.id,
            job.name,
            job.queue,
            job.attempt,
            minute(job.finished_at),
            _lines_of(job.error)[0] if job.error else "",
        )
        for job in _found([Shown.failed], queue, name, limit, app_dir)
    )
    show(
        ("id", "job", "queue", "attempts", "failed", "error"), rows, empty="No dead letters.", wrapped="error"
    )


@jobs.command("show")
def show_(
    job_id: JobId,
    trace: Annotated[
        bool, typer.Option("--trace", help="The traceback of a refusal too; a crash's is always there.")
    ] = False,
    app_dir: AppDir = Path(),
) -> None:
    """Show all of a job: its arguments, its result, its last error."""

    async def work(session: "AsyncSession") -> "Job | None":
        from stanchion.jobs import store

        return await store.get(session, job_id)

    job = in_transaction(work, app_dir)
    if job is None:
        raise Failure(f"There is no job {job_id}: `stanchion jobs list` shows them.")
    pairs = [*_pairs(job), ("worker", job.worker or "")]
    if job.unique_key is not None:
        pairs.append(("unique key", job.unique_key))
    if job.message is not None:
        pairs.append(("message", job.message))
    pairs.append(("arguments", json.dumps(job.arguments, ensure_ascii=False)))
    if job.result is not None:
        pairs.append(("result", json.dumps(job.result, ensure_ascii=False)))
    for name, value in pairs:
        typer.echo(f"{name + ':':12}{printable(str(value))}".rstrip())
    if job.error is not None:
        _print_error(job.error, trace=trace or not job.error.is_refusal)


@jobs.command()
def retry(job_ids: JobIds, app_dir: AppDir = Path()) -> None:
    """Queue failed or cancelled jobs again, with all their attempts: all of these, or none."""

    async def work(session: "AsyncSession") -> None:
        from stanchion.jobs import store

        for job_id in job_ids:
            if not await store.retry(session, job_id):
                raise Failure(
                    f"Job {job_id} is not there, or has neither failed nor been cancelled: "
                    "`stanchion jobs dead` shows the failed."
                )

    in_transaction(work, app_dir)
    typer.echo(f"Queued again: {', '.join(map(str, job_ids))}.")


@jobs.command()
def cancel(job_ids: JobIds, app_dir: AppDir = Path()) -> None:
    """Cancel jobs: a queued one at once, a running one soon. All of these, or none."""

    async def work(session: "AsyncSession") -> None:
        from stanchion.jobs import store

        for job_id in job_ids:
            if not await store.cancel(session, job_id):
                raise Failure(
                    f"Job {job_id} is not there, or is over: `stanchion jobs list` shows what runs or waits."
                )

    in_transaction(work, app_dir)
    typer.echo(f"Cancelled: {', '.join(map(str, job_ids))}.")


def _found(
    statuses: list[Shown], queue: str | None, name: str | None, limit: int, app_dir: Path
) -> "list[Job]":
    async def work(session: "AsyncSession") -> "list[Job]":
        from stanchion.jobs import Status, store

        wanted = [Status(status) for status in statuses]
        return await store.find(session, statuses=wanted, queue=queue, name=name, limit=limit)

    return in_transaction(work, app_dir)


def _print_error(error: "Error", *, trace: bool) -> None:
    """Print why a job failed: of a refusal its code, its detail and its places; of a crash the traceback."""
    for name, line in zip_longest(["error:"], _lines_of(error), fillvalue=""):
        typer.echo(f"{name:12}{printable(line)}".rstrip())
    for name, line in zip_longest(["details:"], _details_of(error), fillvalue=""):
        if line:
            typer.echo(f"{name:12}{printable(line)}")
    lines = error.trace.splitlines() if trace else []
    for line in lines if len(lines) > 1 else ():  # one alone is the error again
        typer.echo(f"    {printable(line)}".rstrip())


def _lines_of(error: "Error") -> list[str]:
    """Return what an error is called and says: by its code where it is a refusal that has one."""
    name = error.code if error.is_refusal and error.code else error.type
    return f"{name}: {error.message}".splitlines()


def _details_of(error: "Error") -> list[str]:
    """Return a line for each place that a refusal names; of other details their JSON."""
    match error.details:
        case None:
            return []
        case {"errors": [*errors], **others} if not others and all(map(_is_place, errors)):
            return [f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in errors]
    return [json.dumps(error.details, ensure_ascii=False)]


def _is_place(one: Any) -> bool:
    return isinstance(one, dict) and isinstance(one.get("loc"), list) and "msg" in one


def _pairs(job: "Job") -> list[tuple[str, str]]:
    told = "" if job.done is None else f"{job.done}" if job.total is None else f"{job.done}/{job.total}"
    return [
        ("id", str(job.id)),
        ("job", job.name),
        ("queue", job.queue),
        ("status", _status(job)),
        ("attempt", _attempt(job)),
        ("progress", told),
        ("created", minute(job.created_at)),
        ("due", minute(job.due_at) if job.status.value == Shown.queued else ""),
        ("finished", minute(job.finished_at)),
    ]


def _status(job: "Job") -> str:
    return "cancelling" if job.cancel_requested and job.status.value == Shown.running else job.status


def _attempt(job: "Job") -> str:
    return f"{job.attempt}/{job.max_attempts}"


def _share(job: "Job") -> str:
    """Return how far it is in a few characters: percents, where it is known of how much."""
    if job.done is None or not job.total:
        return "" if job.done is None else f"{job.done:,}"
    return f"{100 * job.done // job.total} %"
