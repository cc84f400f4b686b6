"""What is answered to a key is for whoever sent it, and for no shared cache."""

from stanchion.exchange import Exchange, Headers, vary

_CREDENTIALS = ("Authorization", "X-API-Key", "X-User-ID", "Cookie")
_VARIES = ", ".join(_CREDENTIALS).encode()
_NAMES = frozenset(name.lower().encode() for name in _CREDENTIALS)


def keep_private(exchange: Exchange, headers: Headers) -> None:
    """Set `Cache-Control` and `Vary` on the answer to a request with credentials.

    RFC 9111, 3.5, keeps shared caches from storing the answer to `Authorization` alone: one to
    `X-API-Key` they could give to anybody. A `Cache-Control` of the path operation's own stays.
    """
    if _NAMES.isdisjoint(exchange.asked):
        return
    for name, _ in headers:
        if name == b"cache-control":
            break
    else:
        headers.append((b"cache-control", b"private, no-cache"))
    vary(headers, _VARIES)
