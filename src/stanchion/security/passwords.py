"""Passwords: hashed with Argon2id off the event loop, a few at a time."""

import os
from collections.abc import Callable
from functools import cache
from typing import Annotated, TypeVar

import anyio.to_thread
from anyio import CapacityLimiter
from anyio.lowlevel import RunVar
from pwdlib import PasswordHash
from pwdlib.exceptions import PwdlibError
from pydantic import AfterValidator, Field, SecretStr
from pydantic_core import PydanticCustomError

from stanchion.errors import UnavailableError

T = TypeVar("T")

_SHORTEST, _LONGEST = 8, 1024


def _of_right_length(password: SecretStr) -> SecretStr:
    # By hand: Pydantic's own message counts "items".
    if len(password) < _SHORTEST:
        raise PydanticCustomError("string_too_short", f"String should have at least {_SHORTEST} characters")
    if len(password) > _LONGEST:
        raise PydanticCustomError("string_too_long", f"String should have at most {_LONGEST} characters")
    return password


Password = Annotated[
    SecretStr,
    AfterValidator(_of_right_length),
    Field(
        description="8 characters or more.",
        examples=["correct horse battery"],
        json_schema_extra={"minLength": _SHORTEST, "maxLength": _LONGEST},
    ),
]
"""A password in a schema. The upper limit bounds the work that a stranger can ask for."""

_AT_ONCE = max(1, (os.cpu_count() or 1) // 2)
_WAITING = 16
"""Requests that may wait for their turn; one more is told to come back."""


class _Turns:
    """Bounds the hashing of one event loop: each takes a fifth of a second of a core, and 64 MiB."""

    def __init__(self) -> None:
        self.limiter = CapacityLimiter(_AT_ONCE)
        self.taken = 0


# Of their own: a crowd that signs up keeps nobody from signing in.
_hashing = RunVar[_Turns]("stanchion_hashing_turns")
_verifying = RunVar[_Turns]("stanchion_verifying_turns")


@cache
def _hasher() -> PasswordHash:
    return PasswordHash.recommended()


@cache
def _dummy() -> str:
    return _hasher().hash("the password of nobody")


async def hash_password(password: SecretStr) -> str:
    """Return the salted Argon2id hash of a password (RFC 9106). Raises UnavailableError if too many wait."""
    return await _in_turn(_hashing, lambda: _hasher().hash(_text(password)))


async def verify_password(password: SecretStr, hashed: str | None) -> bool:
    """Tell whether this is the password. None, for a user that does not exist, takes as long and is False.

    Raises UnavailableError when too many wait.
    """

    def verify() -> bool:
        try:
            return _hasher().verify(_text(password), hashed or _dummy()) and bool(hashed)
        except PwdlibError:
            return False

    return await _in_turn(_verifying, verify)


def _text(password: SecretStr) -> bytes:
    # surrogatepass: JSON can hold a lone surrogate, and Pydantic lets it into a SecretStr.
    return password.get_secret_value().encode("utf-8", "surrogatepass")


async def _in_turn(kind: RunVar[_Turns], work: Callable[[], T]) -> T:
    turns = kind.get(None)
    if turns is None:
        kind.set(turns := _Turns())
    if turns.taken >= _AT_ONCE + _WAITING:
        raise UnavailableError("Too many are signing in: try again.", "busy_signing_in", retry_after=2)
    turns.taken += 1
    try:
        return await anyio.to_thread.run_sync(work, limiter=turns.limiter)
    finally:
        turns.taken -= 1
