"""The database, and the session that a path operation depends on."""

from pathlib import Path
from typing import Annotated

from fastapi import Depends
from sqlalchemy.ext.asyncio import AsyncSession

from settings import settings
from stanchion import Database

database = Database(settings.DATABASE_URL, app_dir=Path(__file__).parent)

SessionDep = Annotated[AsyncSession, Depends(database.get_session)]
"""Commits before the response leaves; any exception rolls back."""
