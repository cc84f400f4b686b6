"""/orders: each customer's own."""

import asyncio

from fastapi import BackgroundTasks, Depends
from sqlmodel import col, update

from database import SessionDep, database
from dependencies import CallerDep, Resource, idempotency
from errors import NotEnoughError
from models import Item, Order
from routers.items import items
from schemas import OrderCreate, OrderResponse
from stanchion.errors import responses

orders = Resource(
    Order, response=OrderResponse, owner="owner_id", filters=["item_id", "quantity", "confirmed"]
)
router = orders.router(prefix="/orders", tags=["orders"], without=["delete", "bulk_delete"])


async def confirm(order_id: int) -> None:
    """Ask the warehouse, which takes seconds, and note that it has said yes."""
    await asyncio.sleep(3)
    async with database.transaction() as session:
        order = await session.get_one(Order, order_id)
        order.confirmed = True
        order.version += 1


@router.post(
    "",
    status_code=201,
    dependencies=[Depends(idempotency)],
    responses=responses(items.missing, NotEnoughError),
)
async def create_order(
    body: OrderCreate, session: SessionDep, caller: CallerDep, tasks: BackgroundTasks
) -> OrderResponse:
    """Order something, if there is enough of it."""
    order = Order(**body.model_dump(), owner_id=caller.user_id)
    session.add(order)
    if await session.get(Item, body.item_id) is None:
        raise items.missing
    enough = col(Item.id) == body.item_id, col(Item.stock) >= body.quantity
    less = {"stock": Item.stock - body.quantity, "version": Item.version + 1}
    if await session.scalar(update(Item).where(*enough).values(less).returning(col(Item.id))) is None:
        raise NotEnoughError
    made = OrderResponse.model_validate(order)
    tasks.add_task(confirm, made.id)
    return made
