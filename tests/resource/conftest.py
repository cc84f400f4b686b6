"""A small shop: resources of several kinds, on each database, and how many statements a request takes."""

import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from typing import Annotated, Any

import httpx2
import pytest
from fastapi import Depends, FastAPI, Header
from pydantic import BaseModel, ConfigDict, FiniteFloat
from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    ColumnElement,
    Enum,
    ForeignKey,
    MetaData,
    UniqueConstraint,
    event,
)
from sqlmodel import Field, Relationship, SQLModel, col
from tests.databases import ENGINES, Renewable, renewable

import stanchion
from stanchion import Caller, Database
from stanchion.database import BigID, UTCDateTime, now
from stanchion.errors import ForbiddenError, handle_errors
from stanchion.schemas import Text
from stanchion.signing import sign_with
from stanchion.testing import client


class Customer(SQLModel, table=True):
    __tablename__ = "resource_customers"

    id: int | None = Field(default=None, sa_column=Column(BigID, primary_key=True, autoincrement=True))
    name: str = Field(unique=True)
    orders: list["Order"] = Relationship(
        back_populates="customer", sa_relationship_kwargs={"order_by": "Order.id"}
    )


class Order(SQLModel, table=True):
    __tablename__ = "resource_orders"
    __table_args__ = (UniqueConstraint("owner_id", "number"), {"sqlite_autoincrement": True})

    id: int | None = Field(default=None, sa_column=Column(BigID, primary_key=True, autoincrement=True))
    owner_id: int | None = Field(default=None, sa_type=BigInteger)
    number: int
    note: str = ""
    customer_id: int | None = Field(
        default=None, sa_column=Column(BigInteger, ForeignKey("resource_customers.id"), nullable=True)
    )
    customer: Customer | None = Relationship(back_populates="orders")
    version: int = 1
    created_at: datetime = Field(default_factory=now, sa_type=UTCDateTime)
    updated_at: datetime = Field(default_factory=now, sa_type=UTCDateTime)


class LineItem(SQLModel, table=True):
    __tablename__ = "resource_line_items"

    code: uuid.UUID = Field(default_factory=uuid.uuid4, primary_key=True)
    title: str
    shelf: str = "a"
    deleted_at: datetime | None = Field(default=None, sa_type=UTCDateTime)


class Ink(StrEnum):
    black = "black"
    blue = "-blue"


class Note(SQLModel, table=True):
    __tablename__ = "resource_notes"
    __table_args__ = {"sqlite_autoincrement": True}

    id: int | None = Field(default=None, sa_column=Column(BigID, primary_key=True, autoincrement=True))
    title: str
    body: str = ""
    colour: str | None = None
    ink: Ink = Field(default=Ink.black, sa_column=Column(Enum(Ink, native_enum=False), nullable=False))
    weight: float = 1.0
    is_read: bool = False
    due: date | None = None
    tags: list[str] = Field(default_factory=list, sa_column=Column(JSON, nullable=False))


class Schema(BaseModel):
    model_config = ConfigDict(extra="forbid")


class CustomerBody(Schema):
    name: Text


class CustomerResponse(CustomerBody):
    id: int


class OrderCreate(Schema):
    number: int
    note: Text = ""
    customer_id: int | None = None


class OrderUpdate(Schema):
    number: int = 0
    note: Text = ""
    customer_id: int | None = None


class OrderResponse(OrderCreate):
    id: int
    created_at: datetime
    updated_at: datetime


class LineItemBody(Schema):
    title: Text


class LineItemResponse(LineItemBody):
    code: uuid.UUID
    shelf: str


class NoteBody(Schema):
    title: Text
    body: Text = ""
    colour: Text | None = None
    ink: Ink = Ink.black
    weight: FiniteFloat = 1.0
    is_read: bool = False
    due: date | None = None
    tags: list[Text] = []


class NoteResponse(NoteBody):
    id: int


async def get_caller(x_user: Annotated[int | None, Header()] = None) -> Caller:
    return Caller(1, x_user)


async def on_shelf(x_shelf: Annotated[str, Header()] = "a") -> ColumnElement[bool]:
    return col(LineItem.shelf) == x_shelf


async def shelved(x_shelf: Annotated[str, Header()] = "a") -> dict[str, str]:
    return {"shelf": x_shelf}


async def authorize(x_shelf: Annotated[str, Header()] = "a") -> None:
    if x_shelf == "locked":
        raise ForbiddenError


@dataclass
class Served:
    """The app over its database, and the statements that it has sent."""

    app: FastAPI
    caller: httpx2.AsyncClient
    database: Database
    statements: list[str]

    def counted(self) -> int:
        """Return how many statements there were since this was last asked."""
        count = len([one for one in self.statements if not one.startswith(("BEGIN", "PRAGMA"))])
        self.statements.clear()
        return count


def make(database: Database) -> FastAPI:
    class Resource(stanchion.Resource[Any]):
        session = database.get_session
        caller = get_caller

    customers = Resource(
        Customer,
        create=CustomerBody,
        update=CustomerBody,
        response=CustomerResponse,
        embed={"orders": Resource(Order, response=OrderResponse, owner="owner_id")},
    )
    orders = Resource(
        Order,
        create=OrderCreate,
        update=OrderUpdate,
        response=OrderResponse,
        owner="owner_id",
        filters=["number", "note"],
        sort=["number"],
        embed={"customer": customers},
    )
    strict = Resource(
        Order, update=OrderUpdate, response=OrderResponse, require_match=True, name="strict_order"
    )
    items = Resource(
        LineItem,
        create=LineItemBody,
        update=LineItemBody,
        response=LineItemResponse,
        scope=on_shelf,
        authorize=authorize,
        values=shelved,
        deleted_at="deleted_at",
    )
    notes = Resource(Note, create=NoteBody, response=NoteResponse)
    app = FastAPI()
    handle_errors(app)
    sign_with(app, "the secret of this shop")
    for prefix, resource in (
        ("customers", customers),
        ("orders", orders),
        ("strict", strict),
        ("items", items),
        ("notes", notes),
    ):
        app.include_router(resource.router(prefix=f"/{prefix}", tags=[prefix]), prefix="/v1")

    by_hand = orders.router(prefix="/by-hand", without=["read", "delete"])

    @by_hand.get("/{order_id}/note")
    async def read_note(order: Annotated[Order, Depends(orders.find)]) -> str:
        return order.note

    app.include_router(by_hand)
    return app


@dataclass
class Built:
    """The app and what it works on: built once, and put back for each test."""

    app: FastAPI
    database: Database
    renewable: Renewable
    statements: list[str] = field(default_factory=list)


@contextmanager
def building(
    request: pytest.FixtureRequest, make: Callable[[Database], FastAPI], *metadata: MetaData
) -> Iterator[Built]:
    """Build an app over a database with the tables of `metadata`; what it sends is noted."""

    async def fill(database: Database) -> None:
        async with database.engine.begin() as connection:
            for one in metadata:
                await connection.run_sync(one.create_all)

    with renewable(request, fill) as one:
        database = Database(one.url)
        built = Built(make(database), database, one)

        def note(_: Any, __: Any, statement: str, *___: Any) -> None:
            built.statements.append(statement)

        event.listen(database.engine.sync_engine, "before_cursor_execute", note)
        yield built


@asynccontextmanager
async def serving(built: Built) -> AsyncIterator[Served]:
    """Serve it, as it was when it was built."""
    built.renewable.renew()
    built.statements.clear()
    async with client(built.app, raise_app_exceptions=False) as caller:
        yield Served(built.app, caller, built.database, built.statements)
    await built.database.close()


def tables(*models: type[SQLModel]) -> MetaData:
    """Return the tables of these models alone, and those that they refer to."""
    found = MetaData()
    for model in models:
        SQLModel.metadata.tables[str(model.__tablename__)].to_metadata(found)
    return found


@pytest.fixture(scope="package", params=ENGINES)
def built(request: pytest.FixtureRequest) -> Iterator[Built]:
    with building(request, make, tables(Customer, Order, LineItem, Note)) as built:
        yield built


@pytest.fixture
async def shop(built: Built) -> AsyncIterator[Served]:
    """The shop, with empty tables."""
    async with serving(built) as served:
        yield served
