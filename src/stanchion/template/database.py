"""The engine, and the session that a path operation depends on."""

from pathlib import Path
from typing import Annotated

from fastapi import Depends
from sqlalchemy.ext.asyncio import AsyncSession

from settings import settings
from stanchion import Database

database = Database(
    settings.DATABASE_URL,
    pool_size=settings.DATABASE_POOL_SIZE,
    app_dir=Path(__file__).parent,
)

get_session = database.get_session
"""Commits before the response leaves; any exception rolls back."""

SessionDep = Annotated[AsyncSession, Depends(get_session)]
