"""The limit on sign-ins: guessing a password must be slow, from one address and for one email."""

import math
import time

import structlog
from limits import RateLimitItem, parse
from limits.aio.storage import Storage
from limits.aio.strategies import MovingWindowRateLimiter
from limits.errors import ConfigurationError
from limits.storage import storage_from_string

from stanchion.errors import TooManyRequestsError

_ADDRESS_FACTOR = 10
"""One address may serve many people (an office, a carrier): it has so many times the limit of one email."""

log = structlog.stdlib.get_logger("stanchion.security")


class SignInLimit:
    """Counts sign-ins outside any transaction: a 401 rolls the request's own back.

    `rate` is `5/minute`, as the `limits` library reads it: attempts for one email from one
    address since the last success. An address as a whole has ten times that. `storage` is
    a URL of the `limits` library; memory counts for this process, `async+redis://...` for all
    (`pip install redis`). Raises ValueError for a rate or a storage that cannot be used.
    """

    def __init__(self, rate: str = "5/minute", *, storage: str = "async+memory://") -> None:
        self._rate: RateLimitItem = parse(rate)
        self._address_rate = type(self._rate)(self._rate.amount * _ADDRESS_FACTOR, self._rate.multiples)
        try:
            store = storage_from_string(storage)
        except ConfigurationError as exc:  # its package is not installed, or no such scheme
            raise ValueError(f"{storage.partition('://')[0]}:// cannot count sign-ins: {exc}") from exc
        if not isinstance(store, Storage):
            raise ValueError("Sign-ins are counted from an event loop: the storage's URL starts with async+.")
        self._storage = store
        self._limiter = MovingWindowRateLimiter(store)

    async def attempt(self, *, address: str, email: str) -> None:
        """Count an attempt. Raises TooManyRequestsError, with the seconds to wait, for one too many."""
        for rate, names in (
            (self._rate, ("pair", address, email)),
            (self._address_rate, ("address", address)),
        ):
            if not await self._limiter.hit(rate, *names):
                reset_time, _ = await self._limiter.get_window_stats(rate, *names)
                log.warning("refused", status=429, reason="sign_in_limit", address=address)
                wait = math.ceil(reset_time - time.time())
                raise TooManyRequestsError(
                    "Too many sign-ins: wait, then try again.", "sign_in_limit", retry_after=wait
                )

    async def succeeded(self, *, address: str, email: str) -> None:
        """Forget the attempts for this email from this address."""
        await self._limiter.clear(self._rate, "pair", address, email)
