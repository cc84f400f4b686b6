"""The domain errors: an exception class for each way a request can be refused."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar


class DomainError(Exception):
    """A request that cannot be carried out, told in words for the client.

    `message` becomes the problem's `detail`; `code` its `error`, a stable name that
    programs may rely on (`todo_not_found`). Both have a default in the class.
    """

    status: ClassVar[int] = 400
    default_message: ClassVar[str] = "The request cannot be carried out."
    default_code: ClassVar[str] = "bad_request"

    def __init__(
        self,
        message: str | None = None,
        code: str | None = None,
        *,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self.message = message or self.default_message
        self.code = code or self.default_code
        self.headers = dict(headers or {})
        super().__init__(self.message)

    @property
    def extensions(self) -> dict[str, Any]:
        """The members that this error adds to its problem (RFC 9457, section 3.2)."""
        return {}


class UnauthorizedError(DomainError):
    """401: nobody is known to be asking. RFC 9110, 11.6.1, wants the challenge that it carries."""

    status = 401
    default_message = "An API key is needed."
    default_code = "unauthorized"

    def __init__(
        self,
        message: str | None = None,
        code: str | None = None,
        *,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message, code, headers={"WWW-Authenticate": "Bearer", **(headers or {})})


class ForbiddenError(DomainError):
    """403: the key is known, and may not do this."""

    status = 403
    default_message = "This key may not do that."
    default_code = "forbidden"


class NotFoundError(DomainError):
    """404: there is no such thing, or not for this caller."""

    status = 404
    default_message = "Not found"
    default_code = "not_found"


class _PlacedError(DomainError):
    """An error that may name the places in the request that it is about: one, or several."""

    def __init__(
        self,
        message: str | None = None,
        code: str | None = None,
        *,
        loc: Sequence[str | int] = (),
        type: str = "value_error",
        errors: Sequence[Mapping[str, Any]] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message, code, headers=headers)
        self.loc = tuple(loc)
        self.type = type
        self.errors = tuple(errors)

    @property
    def extensions(self) -> dict[str, Any]:
        own = {"loc": list(self.loc), "msg": self.message, "type": self.type}
        return {"errors": [dict(one) for one in self.errors] or [own]}


class ConflictError(_PlacedError):
    """409: the state of the data stands against it; `loc` names the place, where there is one."""

    status = 409
    default_message = "The request conflicts with what is stored."
    default_code = "conflict"

    @property
    def extensions(self) -> dict[str, Any]:
        return super().extensions if self.loc or self.errors else {}


class GoneError(DomainError):
    """410: it was here, and will not come back."""

    status = 410
    default_message = "This is gone."
    default_code = "gone"


class PreconditionFailedError(DomainError):
    """412: the row has changed since the `If-Match` that was sent. RFC 9110, 13.1.1."""

    status = 412
    default_message = "It has changed since you read it: read it again, then repeat your change."
    default_code = "precondition_failed"


class ContentTooLargeError(DomainError):
    """413: the body is over the limit."""

    status = 413
    default_message = "The body is too large."
    default_code = "content_too_large"


class InvalidError(_PlacedError):
    """422: the request was understood, and something in it is wrong; `loc` names the place."""

    status = 422
    default_message = "The request is not valid."
    default_code = "validation_failed"


class PreconditionRequiredError(DomainError):
    """428: this write wants an `If-Match`. RFC 6585, section 3."""

    status = 428
    default_message = "Send the ETag that you read as `If-Match`."
    default_code = "precondition_required"


class _RetryError(DomainError):
    """An error that passes: `retry_after` (whole seconds) becomes the header. RFC 9110, 10.2.3."""

    def __init__(self, message: str | None = None, code: str | None = None, *, retry_after: int = 1) -> None:
        super().__init__(message, code, headers={"Retry-After": str(max(1, retry_after))})


class TooManyRequestsError(_RetryError):
    """429: too often; `Retry-After` says when. RFC 6585, section 4."""

    status = 429
    default_message = "Too many requests: wait, then try again."
    default_code = "too_many_requests"


class UnavailableError(_RetryError):
    """503: not now; the same request may succeed after `Retry-After`."""

    status = 503
    default_message = "The service is busy: try again."
    default_code = "unavailable"
