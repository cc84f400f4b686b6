"""The limit on sign-ins: guessing a password must be slow, for an email from one address."""

import math
import time
from ipaddress import IPv6Address, ip_address, ip_network

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

    def __init__(
        self,
        rate: str = "5/minute",
        *,
        storage: str = "async+memory://",
        message: str = "Too many sign-ins: wait, then try again.",
        code: str = "sign_in_limit",
    ) -> None:
        self._message, self._code = message, code
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
        address = _counted(address)
        for rate, names in (
            (self._rate, ("pair", address, email)),
            (self._address_rate, ("address", address)),
        ):
            if not await self._limiter.hit(rate, *names):
                reset_time, _ = await self._limiter.get_window_stats(rate, *names)
                log.warning("refused", status=429, reason=self._code, address=address)
                wait = math.ceil(reset_time - time.time())
                raise TooManyRequestsError(self._message, self._code, retry_after=wait)

    async def succeeded(self, *, address: str, email: str) -> None:
        """Forget the attempts for this email from this address."""
        await self._limiter.clear(self._rate, "pair", _counted(address), email)


def _counted(address: str) -> str:
    """Return what one customer is given: an IPv4 address, or the /64 of an IPv6 one."""
    try:
        known = ip_address(address)
    except ValueError:
        return address
    if isinstance(known, IPv6Address):
        return str(known.ipv4_mapped or ip_network((known, 64), strict=False))
    return address
