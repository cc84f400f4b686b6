"""What can be wrong with a request."""

from stanchion.errors import ConflictError, NotFoundError


class ItemNotFoundError(NotFoundError):
    """There is no such item."""

    default_message = "Item not found"
    default_code = "item_not_found"


class NameTakenError(ConflictError):
    """Another item has this name."""

    default_message = "Another item has this name"
    default_code = "name_taken"


class OrderNotFoundError(NotFoundError):
    """There is no such order."""

    default_message = "Order not found"
    default_code = "order_not_found"


class NotEnoughError(ConflictError):
    """More was ordered than there is."""

    default_message = "Not enough of it"
    default_code = "not_enough"
