"""Why a request with an Idempotency-Key is refused."""

from stanchion.errors import ConflictError, InvalidError

HEADER = "Idempotency-Key"


class KeyInUseError(ConflictError):
    """409: the first request with this key is still running; `Retry-After` says when to ask again."""

    default_message = f"The first request with this {HEADER} is still running: try again."
    default_code = "idempotency_key_in_use"

    def __init__(self) -> None:
        super().__init__(headers={"Retry-After": "1"})


class KeyReusedError(InvalidError):
    """422: this key came with another query or body before."""

    default_message = f"This {HEADER} came with another request before: take a new one."
    default_code = "idempotency_key_reused"

    def __init__(self) -> None:
        super().__init__(loc=("header", HEADER), type="idempotency_key_reused")


class KeyInvalidError(InvalidError):
    """422: the header is no key."""

    default_message = f"{HEADER} is 1 to 255 visible ASCII characters, sent once."

    def __init__(self) -> None:
        super().__init__(loc=("header", HEADER), type="idempotency_key")
