"""/items: what is sold. Customers read, the shop writes."""

from dependencies import Resource, staff
from models import Item
from schemas import ItemCreate, ItemResponse, ItemUpdate

items = Resource(
    Item,
    create=ItemCreate,
    update=ItemUpdate,
    response=ItemResponse,
    authorize=staff,
    filters=["name", "stock"],
    sort=["name"],
)
router = items.router(prefix="/items", tags=["items"], without=["delete", "bulk_delete"])
