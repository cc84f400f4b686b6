"""IdempotentRoute: the class of the routes whose replies can be stored."""

from collections.abc import Callable
from typing import Any

from fastapi.dependencies.models import Dependant

from stanchion.errors import responses
from stanchion.headers import headers
from stanchion.idempotency.dependency import Idempotency
from stanchion.idempotency.errors import KeyInUseError, KeyInvalidError, KeyReusedError
from stanchion.reply import ReplyRoute


class IdempotentRoute(ReplyRoute):
    """A route that may depend on Idempotency: `APIRouter(route_class=IdempotentRoute)`.

    One that does is documented with what that adds: the header of a replay, 409 and 422.
    """

    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        super().__init__(path, endpoint, **options)
        if _is_idempotent(self.dependant):
            own = {
                self.status_code or 200: headers("Idempotent-Replayed"),
                **responses(KeyInUseError(), KeyReusedError(), KeyInvalidError()),
            }
            self.responses = _merged(own, self.responses)


def _is_idempotent(dependant: Dependant) -> bool:
    return isinstance(dependant.call, Idempotency) or any(map(_is_idempotent, dependant.dependencies))


def _merged(ours: Any, theirs: Any) -> Any:
    """Add what they do not say to what they do, at any depth."""
    if not isinstance(ours, dict) or not isinstance(theirs, dict):
        return theirs
    both = {name: _merged(ours[name], theirs[name]) for name in ours.keys() & theirs.keys()}
    return {**ours, **theirs, **both}
