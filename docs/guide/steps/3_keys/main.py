"""A shop: what it sells, and what was ordered of it."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Annotated

from fastapi import APIRouter, BackgroundTasks, Depends, FastAPI, Path, Query
from sqlalchemy import ColumnElement
from sqlalchemy.exc import IntegrityError
from sqlmodel import col, select, update

from database import SessionDep, database
from dependencies import CallerDep, get_api_key, staff
from errors import EmailTakenError, ItemNotFoundError, NameTakenError, NotEnoughError, OrderNotFoundError
from models import Item, Order, User
from schemas import ItemCreate, ItemResponse, OrderCreate, OrderResponse, UserCreate, UserResponse
from settings import settings
from stanchion import Caller, install
from stanchion.errors import UnavailableError, responses

Id = Annotated[int, Path(ge=1, le=2**31 - 1)]
Offset = Annotated[int, Query(ge=0, le=1_000_000)]
Limit = Annotated[int, Query(ge=1, le=100)]


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    yield
    await database.close()


app = FastAPI(title="Shop", lifespan=lifespan)
install(app, settings, database)
router = APIRouter(dependencies=[Depends(get_api_key)], responses=responses(UnavailableError))


def owned(caller: Caller) -> ColumnElement[bool]:
    """Narrow a query to the caller's orders; the shop's own have no owner."""
    return col(Order.owner_id).is_(None) if caller.user_id is None else col(Order.owner_id) == caller.user_id


async def confirm(order_id: int) -> None:
    """Ask the warehouse, which takes seconds, and note that it has said yes."""
    await asyncio.sleep(3)
    async with database.transaction() as session:
        order = await session.get_one(Order, order_id)
        order.confirmed = True


@router.post(
    "/users",
    response_model=UserResponse,
    status_code=201,
    dependencies=[Depends(staff)],
    responses=responses(EmailTakenError),
)
async def create_user(body: UserCreate, session: SessionDep) -> User:
    """Make an account for a customer."""
    user = User(**body.model_dump())
    session.add(user)
    try:
        await session.flush()
    except IntegrityError:
        raise EmailTakenError from None
    return user


@router.post(
    "/items",
    response_model=ItemResponse,
    status_code=201,
    dependencies=[Depends(staff)],
    responses=responses(NameTakenError),
)
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
async def create_order(
    body: OrderCreate, session: SessionDep, caller: CallerDep, tasks: BackgroundTasks
) -> OrderResponse:
    """Order something, if there is enough of it."""
    order = Order(**body.model_dump(), owner_id=caller.user_id)
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
async def list_orders(
    session: SessionDep, caller: CallerDep, offset: Offset = 0, limit: Limit = 100
) -> Sequence[Order]:
    """List what the caller ordered."""
    mine = select(Order).where(owned(caller)).order_by(col(Order.id))
    return (await session.scalars(mine.offset(offset).limit(limit))).all()


@router.get("/orders/{order_id}", response_model=OrderResponse, responses=responses(OrderNotFoundError))
async def read_order(order_id: Id, session: SessionDep, caller: CallerDep) -> Order:
    """Read an order of the caller's."""
    mine = select(Order).where(col(Order.id) == order_id, owned(caller))
    order = (await session.scalars(mine)).one_or_none()
    if order is None:
        raise OrderNotFoundError
    return order


app.include_router(router)
