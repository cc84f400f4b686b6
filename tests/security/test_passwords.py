"""Passwords: slow to hash on purpose, and never in the way of others."""

import anyio
import anyio.lowlevel
import pytest
from pwdlib import PasswordHash
from pydantic import SecretStr, TypeAdapter, ValidationError

from stanchion.errors import UnavailableError
from stanchion.security import Password, hash_password, passwords, verify_password

pytestmark = pytest.mark.anyio

PASSWORD = SecretStr("correct horse battery ü")


async def test_a_hash_is_argon2id_salted_and_verifies() -> None:
    one, two = await hash_password(PASSWORD), await hash_password(PASSWORD)
    assert one != two
    assert one.startswith("$argon2id$")
    assert await verify_password(PASSWORD, one)
    assert not await verify_password(SecretStr("another"), one)


@pytest.mark.parametrize("hashed", [None, "", "no hash", "$argon2id$broken", "$2b$12$" + "a" * 53])
async def test_against_no_such_hash_it_is_false(hashed: str | None) -> None:
    assert not await verify_password(PASSWORD, hashed)
    assert not await verify_password(SecretStr("the password of nobody"), hashed)


async def test_an_unknown_user_costs_the_same_work(monkeypatch: pytest.MonkeyPatch) -> None:
    hashed = await hash_password(PASSWORD)
    verified: list[str] = []
    really = PasswordHash.verify

    def verify(self: PasswordHash, password: bytes, stored: str) -> bool:
        verified.append(stored)
        return really(self, password, stored)

    monkeypatch.setattr(PasswordHash, "verify", verify)
    for stored in (hashed, None):
        assert not await verify_password(SecretStr("another"), stored)
    # What it costs is written before the salt: $argon2id$v=19$m=65536,t=3,p=4$...
    assert verified[0] == hashed
    assert verified[1] != hashed
    assert verified[0].split("$")[1:4] == verified[1].split("$")[1:4]


async def test_the_loop_runs_on_meanwhile() -> None:
    ticks = 0
    async with anyio.create_task_group() as tasks:

        async def tick() -> None:
            nonlocal ticks
            while True:
                await anyio.sleep(0.001)
                ticks += 1

        tasks.start_soon(tick)
        await hash_password(PASSWORD)
        tasks.cancel_scope.cancel()
    assert ticks >= 3


async def test_too_many_are_told_to_come_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passwords, "_AT_ONCE", 1)
    monkeypatch.setattr(passwords, "_WAITING", 2)
    outcomes: list[str] = []

    async def one() -> None:
        try:
            await hash_password(PASSWORD)
            outcomes.append("hashed")
        except UnavailableError as exc:
            outcomes.append(f"{exc.code} {exc.headers['Retry-After']}")

    async with anyio.create_task_group() as tasks:
        for _ in range(5):
            tasks.start_soon(one)
    assert outcomes == ["busy_signing_in 2"] * 2 + ["hashed"] * 3
    assert await hash_password(PASSWORD)


async def test_a_crowd_that_signs_up_keeps_nobody_from_signing_in(monkeypatch: pytest.MonkeyPatch) -> None:
    hashed = await hash_password(PASSWORD)
    monkeypatch.setattr(passwords, "_AT_ONCE", 1)
    monkeypatch.setattr(passwords, "_WAITING", 1)
    async with anyio.create_task_group() as tasks:
        for _ in range(2):
            tasks.start_soon(hash_password, PASSWORD)
        await anyio.lowlevel.checkpoint()
        with pytest.raises(UnavailableError):
            await hash_password(PASSWORD)
        assert await verify_password(PASSWORD, hashed)


@pytest.mark.parametrize("text", ["1234567", "a" * 1025])
def test_what_is_no_password(text: str) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(Password).validate_python(text)


@pytest.mark.parametrize("text", ["12345678", "a" * 1024, "\x00" * 8, "\ud800" * 8])
async def test_what_is_one(text: str) -> None:
    password = TypeAdapter(Password).validate_python(text)
    assert await verify_password(password, await hash_password(password))
