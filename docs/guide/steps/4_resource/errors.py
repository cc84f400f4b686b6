"""What can be wrong with a request."""

from stanchion.errors import ConflictError


class NotEnoughError(ConflictError):
    """More was ordered than there is."""

    default_message = "Not enough of it"
    default_code = "not_enough"
