"""A shop: what it sells, and what was ordered of it."""

import time
from typing import Annotated

from fastapi import BackgroundTasks, Depends, FastAPI, HTTPException, Query
from fastapi.security import APIKeyHeader
from sqlmodel import Field, Session, SQLModel, create_engine, select

API_KEY = "the-shop-opens-at-nine"

engine = create_engine("sqlite:///./shop.db")


class ItemCreate(SQLModel):
    name: str
    stock: int = 100


class Item(ItemCreate, table=True):
    __tablename__ = "items"

    id: int | None = Field(default=None, primary_key=True)
    name: str = Field(unique=True)


class ItemResponse(ItemCreate):
    id: int


class OrderCreate(SQLModel):
    item_id: int
    quantity: int = Field(ge=1)


class Order(OrderCreate, table=True):
    __tablename__ = "orders"

    id: int | None = Field(default=None, primary_key=True)
    item_id: int = Field(foreign_key="items.id")
    confirmed: bool = False


class OrderResponse(OrderCreate):
    id: int
    confirmed: bool


def get_session():
    with Session(engine) as session:
        yield session


def check_key(key: Annotated[str, Depends(APIKeyHeader(name="X-API-Key"))]) -> None:
    if key != API_KEY:
        raise HTTPException(401, "Wrong key")


SessionDep = Annotated[Session, Depends(get_session)]
Limit = Annotated[int, Query(ge=1, le=100)]

app = FastAPI(title="Shop", dependencies=[Depends(check_key)])


@app.on_event("startup")
def create_tables() -> None:
    SQLModel.metadata.create_all(engine)


def confirm(order_id: int) -> None:
    """Ask the warehouse, which takes seconds, and note that it has said yes."""
    time.sleep(3)
    with Session(engine) as session:
        order = session.get_one(Order, order_id)
        order.confirmed = True
        session.commit()


@app.post("/items", response_model=ItemResponse)
def create_item(body: ItemCreate, session: SessionDep) -> Item:
    item = Item.model_validate(body)
    session.add(item)
    session.commit()
    return item


@app.get("/items", response_model=list[ItemResponse])
def list_items(session: SessionDep, offset: int = 0, limit: Limit = 100) -> list[Item]:
    return session.exec(select(Item).offset(offset).limit(limit)).all()


@app.get("/items/{item_id}", response_model=ItemResponse)
def read_item(item_id: int, session: SessionDep) -> Item:
    item = session.get(Item, item_id)
    if item is None:
        raise HTTPException(404, "Item not found")
    return item


@app.post("/orders", response_model=OrderResponse)
def create_order(body: OrderCreate, session: SessionDep, tasks: BackgroundTasks) -> Order:
    order = Order.model_validate(body)
    session.add(order)
    session.commit()
    item = session.get(Item, body.item_id)
    if item is None:
        raise HTTPException(404, "Item not found")
    if item.stock < body.quantity:
        raise HTTPException(409, "Not enough of it")
    item.stock -= body.quantity
    session.commit()
    tasks.add_task(confirm, order.id)
    return order


@app.get("/orders", response_model=list[OrderResponse])
def list_orders(session: SessionDep, offset: int = 0, limit: Limit = 100) -> list[Order]:
    return session.exec(select(Order).offset(offset).limit(limit)).all()


@app.get("/orders/{order_id}", response_model=OrderResponse)
def read_order(order_id: int, session: SessionDep) -> Order:
    order = session.get(Order, order_id)
    if order is None:
        raise HTTPException(404, "Order not found")
    return order
