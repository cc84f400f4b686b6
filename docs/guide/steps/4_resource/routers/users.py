"""/users: the customers' accounts, which the shop makes."""

from fastapi import Depends

from dependencies import Resource, staff
from models import User
from schemas import UserCreate, UserResponse

users = Resource(User, create=UserCreate, response=UserResponse)
router = users.router(
    prefix="/users", tags=["users"], dependencies=[Depends(staff)], without=["delete", "bulk_delete"]
)
