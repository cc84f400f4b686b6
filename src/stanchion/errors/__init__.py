"""Errors: what went wrong, the RFC 9457 problem it becomes, and how OpenAPI documents it.

    DomainError                  400
     ├ UnauthorizedError         401
     ├ ForbiddenError            403
     ├ NotFoundError             404
     ├ ConflictError             409
     ├ GoneError                 410
     ├ PreconditionFailedError   412
     ├ ContentTooLargeError      413
     ├ InvalidError              422
     ├ PreconditionRequiredError 428
     ├ TooManyRequestsError      429
     └ UnavailableError          503

Raise one anywhere below a path operation; `handle_errors(app)` shapes it, and every other
error of the app, alike.
"""

from stanchion.errors.domain import (
    ConflictError,
    ContentTooLargeError,
    DomainError,
    ForbiddenError,
    GoneError,
    InvalidError,
    NotFoundError,
    PreconditionFailedError,
    PreconditionRequiredError,
    TooManyRequestsError,
    UnauthorizedError,
    UnavailableError,
)
from stanchion.errors.handlers import handle_errors
from stanchion.errors.openapi import responses
from stanchion.errors.problem import ErrorDetail, ErrorResponse, problem, request_id

__all__ = [
    "ConflictError",
    "ContentTooLargeError",
    "DomainError",
    "ErrorDetail",
    "ErrorResponse",
    "ForbiddenError",
    "GoneError",
    "InvalidError",
    "NotFoundError",
    "PreconditionFailedError",
    "PreconditionRequiredError",
    "TooManyRequestsError",
    "UnauthorizedError",
    "UnavailableError",
    "handle_errors",
    "problem",
    "request_id",
    "responses",
]
