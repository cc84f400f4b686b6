"""A shop: what it sells, and what was ordered of it."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Annotated

from fastapi import APIRouter, BackgroundTasks, Depends, FastAPI, Path, Query
from fastapi.security import APIKeyHeader
from sqlalchemy.exc import IntegrityError
from sqlmodel import col, select, update

from database import SessionDep, database
from errors import ItemNotFoundError, NameTakenError, NotEnoughError, OrderNotFoundError
from models import Item, Order
from schemas import ItemCreate, ItemResponse, OrderCreate, OrderResponse
from settings import settings
from stanchion import install
from stanchion.errors import UnauthorizedError, UnavailableError, responses

Id = Annotated[int, Path(ge=1, le=2**31 - 1)]
Offset = Annotated[int, Query(ge=0, le=1_000_000)]
Limit = Annotated[int, Query(ge=1, le=100)]


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    yield
    await database.close()


def check_key(key: Annotated[str, Depends(APIKeyHeader(name="X-API-Key"))]) -> None:
    if key != settings.API_KEY.get_secret_value():
        raise UnauthorizedError("Wrong key", "wrong_key")


app = FastAPI(title="Shop", lifespan=lifespan)
install(app, settings, database)
router = APIRouter(
    dependencies=[Depends(check_key)], responses=responses(UnauthorizedError, UnavailableError)
)


async def confirm(order_id: int) -> None:
    """Ask the warehouse, which takes seconds, and note that it has said yes."""
    await asyncio.sleep(3)
    async with database.transaction() as session:
        order = await session.get_one(Order, order_id)
        order.confirmed = True


@router.post("/items", response_model=ItemResponse, status_code=201, responses=responses(NameTakenError))
async def create_item(body: ItemCreate, session: SessionDep) -> Item:
    """Add something to what is sold."""
    item = Item(**body.model_dump())
    session.add(item)
    try:
        await session.flush()
    except IntegrityError:
        raise NameTakenError from None
    return item


@router.get("/items", response_model=list[ItemResponse])
async def list_items(session: SessionDep, offset: Offset = 0, limit: Limit = 100) -> Sequence[Item]:
    """List what is sold."""
    return (await session.scalars(select(Item).order_by(col(Item.id)).offset(offset).limit(limit))).all()


@router.get("/items/{item_id}", response_model=ItemResponse, responses=responses(ItemNotFoundError))
async def read_item(item_id: Id, session: SessionDep) -> Item:
    """Read one thing that is sold."""
    item = await session.get(Item, item_id)
    if item is None:
        raise ItemNotFoundError
    return item


@router.post("/orders", status_code=201, responses=responses(ItemNotFoundError, NotEnoughError))
async def create_order(body: OrderCreate, session: SessionDep, tasks: BackgroundTasks) -> OrderResponse:
    """Order something, if there is enough of it."""
    order = Order(**body.model_dump())
    session.add(order)
    if await session.get(Item, body.item_id) is None:
        raise ItemNotFoundError
    enough = col(Item.id) == body.item_id, col(Item.stock) >= body.quantity
    taken = update(Item).where(*enough).values(stock=Item.stock - body.quantity).returning(col(Item.id))
    if await session.scalar(taken) is None:
        raise NotEnoughError
    made = OrderResponse.model_validate(order)
    tasks.add_task(confirm, made.id)
    return made


@router.get("/orders", response_model=list[OrderResponse])
async def list_orders(session: SessionDep, offset: Offset = 0, limit: Limit = 100) -> Sequence[Order]:
    """List what was ordered."""
    return (await session.scalars(select(Order).order_by(col(Order.id)).offset(offset).limit(limit))).all()


@router.get("/orders/{order_id}", response_model=OrderResponse, responses=responses(OrderNotFoundError))
async def read_order(order_id: Id, session: SessionDep) -> Order:
    """Read an order."""
    order = await session.get(Order, order_id)
    if order is None:
        raise OrderNotFoundError
    return order


app.include_router(router)
