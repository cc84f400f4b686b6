"""The limit on sign-ins."""

from collections.abc import MutableMapping
from typing import Any

import anyio
import pytest

from stanchion.errors import TooManyRequestsError
from stanchion.security import SignInLimit

pytestmark = pytest.mark.anyio


async def attempts(limit: SignInLimit, address: str, email: str, times: int) -> int:
    """Try so often; return how many attempts were let through."""
    for number in range(times):
        try:
            await limit.attempt(address=address, email=email)
        except TooManyRequestsError:
            return number
    return times


async def test_a_pair_has_so_many(logged: list[MutableMapping[str, Any]]) -> None:
    limit = SignInLimit("3/minute")
    assert await attempts(limit, "1.1.1.1", "ada@a.example", 9) == 3
    assert await attempts(limit, "1.1.1.1", "bob@a.example", 1) == 1
    assert await attempts(limit, "2.2.2.2", "ada@a.example", 1) == 1
    with pytest.raises(TooManyRequestsError) as refused:
        await limit.attempt(address="1.1.1.1", email="ada@a.example")
    assert refused.value.code == "sign_in_limit"
    assert 50 <= int(refused.value.headers["Retry-After"]) <= 60
    assert {(event["event"], event["status"], event["address"]) for event in logged} == {
        ("refused", 429, "1.1.1.1")
    }
    assert "ada" not in str(logged)


@pytest.mark.parametrize(
    ("addresses", "let_through"),
    [
        (["2001:db8::1", "2001:db8::2", "2001:db8:0:0:ffff::3"], [1, 1, 0]),
        (["2001:db8::1", "2001:db8:0:1::1", "::ffff:1.1.1.1", "1.1.1.1"], [1, 1, 1, 1]),
        (["::ffff:1.1.1.1", "1.1.1.1", "1.1.1.1"], [1, 1, 0]),
        (["unknown", "unknown", "unknown"], [1, 1, 0]),
    ],
)
async def test_one_customer_is_one_address(addresses: list[str], let_through: list[int]) -> None:
    limit = SignInLimit("2/minute")
    assert [await attempts(limit, address, "ada@a.example", 1) for address in addresses] == let_through


async def test_it_says_what_it_is_told_to() -> None:
    limit = SignInLimit("1/minute", message="Wait.", code="sign_up_limit")
    await limit.attempt(address="1.1.1.1", email="")
    with pytest.raises(TooManyRequestsError, match=r"Wait\.") as refused:
        await limit.attempt(address="1.1.1.1", email="")
    assert refused.value.code == "sign_up_limit"


async def test_an_address_has_ten_times_that() -> None:
    limit = SignInLimit("2/minute")
    let_through = [await attempts(limit, "1.1.1.1", f"{number}@a.example", 1) for number in range(25)]
    assert let_through == [1] * 20 + [0] * 5
    assert await attempts(limit, "2.2.2.2", "0@a.example", 1) == 1


async def test_a_success_clears_the_pair_and_not_the_address() -> None:
    limit = SignInLimit("2/minute")
    for _ in range(10):
        assert await attempts(limit, "1.1.1.1", "ada@a.example", 2) == 2
        await limit.succeeded(address="1.1.1.1", email="ada@a.example")
    assert await attempts(limit, "1.1.1.1", "ada@a.example", 1) == 0


async def test_it_passes() -> None:
    limit = SignInLimit("1/second")
    assert await attempts(limit, "1.1.1.1", "ada@a.example", 2) == 1
    await anyio.sleep(1.1)
    assert await attempts(limit, "1.1.1.1", "ada@a.example", 1) == 1


@pytest.mark.parametrize(
    ("storage", "sentence"),
    [
        ("memory://", r"starts with async\+"),
        ("async+nothing://", "^async\\+nothing:// cannot count sign-ins: "),
    ],
)
async def test_a_storage_that_cannot_be_used(storage: str, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        SignInLimit(storage=storage)
