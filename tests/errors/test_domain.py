"""The domain errors, each with its status, words and code."""

import pytest

from stanchion import errors
from stanchion.errors import (
    DomainError,
    InvalidError,
    TooManyRequestsError,
    UnauthorizedError,
    UnavailableError,
)

STATUSES = {
    "DomainError": 400,
    "UnauthorizedError": 401,
    "ForbiddenError": 403,
    "NotFoundError": 404,
    "ConflictError": 409,
    "GoneError": 410,
    "PreconditionFailedError": 412,
    "ContentTooLargeError": 413,
    "InvalidError": 422,
    "PreconditionRequiredError": 428,
    "TooManyRequestsError": 429,
    "UnavailableError": 503,
}


@pytest.mark.parametrize(("name", "status"), STATUSES.items())
def test_each_has_a_status_words_and_a_code(name: str, status: int) -> None:
    kind: type[DomainError] = getattr(errors, name)
    error = kind()
    assert error.status == status
    assert (error.message, error.code) == (kind.default_message, kind.default_code)
    assert str(kind("Todo not found", "todo_not_found")) == "Todo not found"


def test_none_is_left_out() -> None:
    assert {name for name in errors.__all__ if name.endswith("Error")} == set(STATUSES)


def test_a_subclass_says_the_rest() -> None:
    class OutOfStockError(DomainError):
        status = 409
        default_message = "Sold out"
        default_code = "out_of_stock"

    error = OutOfStockError(headers={"X-Left": "0"})
    assert (error.status, error.message, error.code) == (409, "Sold out", "out_of_stock")
    assert error.headers == {"X-Left": "0"}
    assert error.extensions == {}


def test_invalid_names_the_place() -> None:
    error = InvalidError("No such user", loc=("header", "X-User-ID"), type="user_not_found")
    assert error.extensions == {
        "errors": [{"loc": ["header", "X-User-ID"], "msg": "No such user", "type": "user_not_found"}]
    }


def test_unauthorized_carries_a_challenge_that_can_be_replaced() -> None:
    assert UnauthorizedError().headers == {"WWW-Authenticate": "Bearer"}
    assert UnauthorizedError(headers={"WWW-Authenticate": "Basic"}).headers == {"WWW-Authenticate": "Basic"}


@pytest.mark.parametrize("kind", [TooManyRequestsError, UnavailableError])
def test_what_passes_says_when_in_whole_seconds(kind: type[TooManyRequestsError]) -> None:
    assert kind(retry_after=7).headers == {"Retry-After": "7"}
    assert kind(retry_after=-3).headers == {"Retry-After": "1"}
