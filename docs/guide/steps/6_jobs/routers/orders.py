"""/orders: each customer's own."""

import asyncio

from fastapi import Depends
from sqlmodel import col, update

from database import SessionDep
from dependencies import CallerDep, Resource, idempotency
from errors import NotEnoughError
from jobs import jobs
from models import Item, Order
from routers.items import items
from schemas import OrderCreate, OrderResponse
from stanchion.errors import responses
from stanchion.jobs import JobContext

orders = Resource(
    Order, response=OrderResponse, owner="owner_id", filters=["item_id", "quantity", "confirmed"]
)
router = orders.router(prefix="/orders", tags=["orders"], without=["delete", "bulk_delete"])


@jobs.job()
async def confirm(context: JobContext, order_id: int) -> None:
    """Ask the warehouse, which takes seconds, and note that it has said yes."""
    await asyncio.sleep(3)
    session = await context.session()  # it commits with the end of the job
    order = await session.get_one(Order, order_id)
    order.confirmed = True
    order.version += 1
    await session.flush()
    await orders.announce(session, "updated", [order])


@router.post(
    "",
    status_code=201,
    dependencies=[Depends(idempotency)],
    responses=responses(items.missing, NotEnoughError),
)
async def create_order(body: OrderCreate, session: SessionDep, caller: CallerDep) -> OrderResponse:
    """Order something, if there is enough of it."""
    order = Order(**body.model_dump(), owner_id=caller.user_id)
    session.add(order)
    if await session.get(Item, body.item_id) is None:
        raise items.missing
    enough = col(Item.id) == body.item_id, col(Item.stock) >= body.quantity
    less = {"stock": Item.stock - body.quantity, "version": Item.version + 1}
    item = await session.scalar(update(Item).where(*enough).values(less).returning(Item))
    if item is None:
        raise NotEnoughError
    await items.announce(session, "updated", [item], caller)
    await orders.announce(session, "created", [order], caller)
    made = OrderResponse.model_validate(order)
    await jobs.enqueue(session, confirm, made.id)
    return made
