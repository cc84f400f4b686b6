"""install: everything a backend needs around its routes, in one call."""

from fastapi import FastAPI

from stanchion import logging
from stanchion.app.body import BodyLimitMiddleware
from stanchion.app.cors import ProblemCORSMiddleware
from stanchion.app.docs import serve_docs
from stanchion.app.document import correct_document
from stanchion.app.head import HeadMiddleware
from stanchion.app.health import add_health
from stanchion.app.heap import freeze_heap
from stanchion.app.no_content import drop_type
from stanchion.app.private import keep_private
from stanchion.app.slashes import answer_both_slashes
from stanchion.app.streams import StopStreamsMiddleware
from stanchion.app.worker import embed_worker
from stanchion.database import Database
from stanchion.errors import handle_errors
from stanchion.jobs import Jobs
from stanchion.routing import match_once
from stanchion.settings import Settings
from stanchion.signing import sign_with

_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
_REQUEST_HEADERS = (
    "Authorization",
    "Content-Type",
    "Idempotency-Key",
    "If-Match",
    "If-None-Match",
    "Last-Event-ID",
    "X-API-Key",
    "X-Request-ID",
    "X-User-ID",
)
_EXPOSED_HEADERS = (
    "Content-Disposition",
    "ETag",
    "Idempotent-Replayed",
    "Link",
    "Location",
    "Retry-After",
    "WWW-Authenticate",
    "X-Request-ID",
    "X-Total-Count",
)


def install(
    app: FastAPI, settings: Settings, database: Database | None = None, *, jobs: Jobs | None = None
) -> None:
    """Make `app` safe to ship; its routes may be added before or after.

    Adds, from the inside out: HEAD wherever GET is, no `Content-Type` where there is no content, and answers
    to a key that no cache shares; an end of event streams when the process is told to stop; every error as
    an RFC 9457 problem; a limit on the size of bodies; CORS for the origins in the settings; the request's id
    and the access log. Adds `/health`, with a database `/health/ready`, and `/docs`
    and `/redoc` from local files; answers a path with and without its last slash, and finds compiled
    routes at once. Sets up logging for the process, and keeps the garbage collector from what the start
    has made. With `jobs`, which `stanchion worker` finds as `app.state.jobs`, a worker runs between the
    app's start-up and its shutdown where JOBS_WORKER says so, as under `stanchion dev` and `run`.
    """
    logging.configure(format=settings.LOG_FORMAT, level=settings.LOG_LEVEL)
    sign_with(app, settings.signing_secret)
    app.add_middleware(HeadMiddleware, shapes=(keep_private, drop_type))
    app.add_middleware(StopStreamsMiddleware)
    handle_errors(app, body_statuses=(400, 413))
    correct_document(app)
    app.add_middleware(BodyLimitMiddleware, max_body_size=settings.MAX_BODY_SIZE)
    app.add_middleware(
        ProblemCORSMiddleware,
        allow_origins=settings.CORS_ORIGINS,
        allow_credentials=settings.CORS_CREDENTIALS,
        allow_methods=_METHODS,
        allow_headers=(*_REQUEST_HEADERS, *settings.CORS_HEADERS),
        expose_headers=_EXPOSED_HEADERS,
    )
    logging.log_requests(app)
    answer_both_slashes(app)
    serve_docs(app)
    add_health(app, database)
    match_once(app)
    freeze_heap(app)
    if jobs is not None:
        app.state.jobs = jobs
        if settings.JOBS_WORKER:
            embed_worker(app, jobs, concurrency=settings.JOBS_CONCURRENCY, grace=settings.JOBS_GRACE)
