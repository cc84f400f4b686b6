"""What goes in and out."""

from pydantic import MISSING, BaseModel, ConfigDict, EmailStr, Field

from stanchion.schemas import Text


class Schema(BaseModel):
    model_config = ConfigDict(from_attributes=True)


class UserCreate(Schema):
    email: EmailStr = Field(max_length=254)


class UserResponse(UserCreate):
    id: int


class ItemCreate(Schema):
    name: Text
    stock: int = Field(100, ge=0, le=1_000_000)


class ItemUpdate(Schema):
    """The fields sent change, the others stay."""

    name: Text | MISSING = MISSING
    stock: int | MISSING = Field(MISSING, ge=0, le=1_000_000)


class ItemResponse(ItemCreate):
    id: int


class OrderCreate(Schema):
    item_id: int = Field(ge=1, le=2**31 - 1)
    quantity: int = Field(ge=1, le=1_000_000)


class OrderResponse(OrderCreate):
    id: int
    confirmed: bool
