"""`stanchion worker`: background jobs in a process of their own."""

import importlib
import os
import re
import signal
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from stanchion.cli.environment import Environment
from stanchion.cli.failure import Failure
from stanchion.cli.options import AppDir, require_schema
from stanchion.cli.run import settle

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager

    from stanchion.jobs import Jobs, Worker

_TARGET = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")


def worker(
    target: Annotated[
        str, typer.Argument(metavar="MODULE:NAME", help="The app that has the jobs, or the jobs themselves.")
    ] = "main:app",
    queue: Annotated[
        list[str] | None,
        typer.Option("--queue", help="Take only jobs of this queue; give it again for more. [default: all]"),
    ] = None,
    concurrency: Annotated[
        int | None,
        typer.Option(min=1, max=1000, help="Jobs to run at a time. [default: JOBS_CONCURRENCY, or 5]"),
    ] = None,
    app_dir: AppDir = Path(),
) -> None:
    """Run the background jobs, until Ctrl-C or a signal.

    The first signal lets what runs come to its end, for JOBS_GRACE seconds; a second one ends it at once.
    """
    if not _TARGET.fullmatch(target):
        raise typer.BadParameter(f"{target!r} is not like main:app.", param_hint="MODULE:NAME")
    directory = require_schema(app_dir)
    environment = Environment()
    environment.embed_worker(False)  # one is enough
    settings = settle(directory)

    from stanchion.database.schema import state

    current = state(environment.database_url(), directory)
    if current.advice:
        raise Failure(current.advice)
    jobs, lifespan = _found(target, directory)

    import anyio

    from stanchion.jobs import Worker

    made = Worker(
        jobs,
        concurrency=concurrency or settings.JOBS_CONCURRENCY,
        queues=queue or (),
        grace=settings.JOBS_GRACE,
    )
    anyio.run(_work, made, lifespan, backend_options={"use_uvloop": "uvloop" in sys.modules or _has_uvloop()})


async def _work(worker: "Worker", lifespan: "AbstractAsyncContextManager[Any]") -> None:
    import anyio

    async def listen() -> None:
        with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
            async for _ in signals:
                if worker.is_stopping:
                    os._exit(1)  # leases end by themselves
                worker.stop()

    async with lifespan, anyio.create_task_group() as tasks:
        tasks.start_soon(listen)
        await worker.run()
        tasks.cancel_scope.cancel()
    await worker.jobs.database.close()


def _found(target: str, directory: Path) -> "tuple[Jobs, AbstractAsyncContextManager[Any]]":
    """Return the jobs that were named, and the lifespan of their app. Raises Failure where there are none."""
    from stanchion.jobs import Jobs

    name, _, attribute = target.partition(":")
    if str(directory) not in sys.path:
        sys.path.insert(0, str(directory))
    try:
        found: Any = getattr(importlib.import_module(name), attribute)
    except ModuleNotFoundError as exc:
        if exc.name is None or not f"{name}.".startswith(f"{exc.name}."):
            raise
        raise Failure(
            f"There is no module {name} in {directory}: name what has the jobs, like main:app."
        ) from exc
    except AttributeError as exc:
        raise Failure(f"{name} has no {attribute}: name what has the jobs, like main:app.") from exc
    jobs = found if isinstance(found, Jobs) else getattr(getattr(found, "state", None), "jobs", None)
    if not isinstance(jobs, Jobs) or not jobs.functions:
        raise Failure(
            f"{target} has no jobs: give them to it with `install(app, settings, database, jobs=jobs)`."
        )
    if jobs is found:
        return jobs, nullcontext()
    return jobs, found.router.lifespan_context(found)


def _has_uvloop() -> bool:
    from importlib.util import find_spec

    return find_spec("uvloop") is not None
