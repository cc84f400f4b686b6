"""What a job's function takes: checked when it is enqueued and when it runs, and JSON in between."""

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any

import pytest
from pydantic import BaseModel, Field, SecretStr

from stanchion.jobs import ArgumentsError, JobContext
from stanchion.jobs.arguments import Arguments


class Order(BaseModel):
    item: str
    price: Decimal


def everything(
    user_id: int,
    order: Order,
    when: datetime,
    raw: bytes,
    model_config: Annotated[int, Field(le=9)],
    context: JobContext,
    far: float = 0.5,
) -> None: ...


CALL: dict[str, Any] = {
    "user_id": 7,
    "order": Order(item="tea", price=Decimal("0.10")),
    "when": datetime(2026, 1, 2, tzinfo=UTC),
    "raw": b"\xff\x00",
    "model_config": 9,
}


def test_what_goes_in_comes_out() -> None:
    arguments = Arguments(everything, JobContext)
    assert arguments.load(arguments.dump(**CALL)) == CALL
    assert arguments.load(arguments.dump(**CALL, far=float("inf")))["far"] == float("inf")
    assert (arguments.context, arguments.required) == ("context", list(CALL))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"user_id": "x"}, "everything: user_id: Input should be a valid integer"),
        ({"model_config": 10}, "everything: model_config: Input should be less than or equal to 9"),
        ({"colour": "red"}, "everything: got an unexpected keyword argument 'colour'."),
        ({"order": {"item": "\ud800", "price": 1}}, "everything: an argument has no form in JSON."),
    ],
)
def test_what_does_not_fit_is_named_without_its_value(changes: dict[str, Any], said: str) -> None:
    arguments = Arguments(everything, JobContext)
    with pytest.raises(ArgumentsError) as refused:
        arguments.dump(**CALL | changes)
    assert str(refused.value).startswith(said)
    assert "'x'" not in str(refused.value)


def test_an_argument_that_is_missing() -> None:
    with pytest.raises(ArgumentsError, match="missing a required argument: 'order'"):
        Arguments(everything, JobContext).dump(7)


@pytest.mark.parametrize("stored", ["{}", '{"user_id": "x"}', "[", '{"user_id": 1, "gone": 2}'])
def test_what_is_stored_and_fits_no_more(stored: str) -> None:
    def send(user_id: int) -> None: ...

    with pytest.raises(ArgumentsError):
        Arguments(send, JobContext).load(stored)


def positional(user_id: int, /) -> None: ...
def many(*ids: int) -> None: ...
def named(**ids: int) -> None: ...
def untyped(user_id) -> None: ...  # type: ignore[no-untyped-def] # that is what is tested
def secret(password: SecretStr) -> None: ...
def callback(call: Callable[[], None]) -> None: ...


@pytest.mark.parametrize("function", [positional, many, named, untyped, secret, callback])
def test_a_function_that_no_row_could_call(function: Any) -> None:
    with pytest.raises(TypeError, match=f"^{function.__name__}: "):
        Arguments(function, JobContext)
