"""Who is asking: the plain type that every part agrees on."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Caller:
    """The key that a request came with, and the user it acts for.

    `key_id` is None for the service key of the settings; `user_id` is None when the
    service acts for itself. The two together name an owner: rows of the service belong
    to no user.
    """

    key_id: int | None
    user_id: int | None
