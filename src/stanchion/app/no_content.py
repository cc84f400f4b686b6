"""What has no content has no type: FastAPI says `application/json` of a 204, too."""

from stanchion.exchange import Exchange, Headers

_EMPTY = frozenset({204, 304})


def drop_type(exchange: Exchange, headers: Headers) -> None:
    """Take `Content-Type` from a 204 and a 304 (RFC 9110, 8.3, 15.3.5 and 15.4.5)."""
    if exchange.status in _EMPTY:
        headers[:] = [one for one in headers if one[0].lower() != b"content-type"]
