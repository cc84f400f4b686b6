"""A01: what blocks in an async function, and what does not."""

from pathlib import Path

import pytest

from stanchion.gate.rules.streams.blocking_call import blocking_call
from stanchion.gate.source import Source
from stanchion.gate.subject import Subject

DATABASE = """
from typing import Annotated
from fastapi import Depends
from sqlalchemy.orm import sessionmaker
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker
from sqlmodel import Session
from passlib.context import CryptContext

def get_session(): ...

SessionDep = Annotated[Session, Depends(get_session)]
AsyncDep = Annotated[AsyncSession, Depends(get_session)]
SessionLocal = sessionmaker()
AsyncLocal = sessionmaker(class_=AsyncSession)
pwd_context = CryptContext()
"""
IMPORTS = """
import bcrypt, hashlib, subprocess, time, requests
from sqlmodel import Session
from sqlalchemy.ext.asyncio import AsyncSession
from app.database import *
from app.database import SessionDep, AsyncDep, SessionLocal, AsyncLocal, pwd_context
"""


def lines(folder: Path, function: str) -> list[int]:
    (folder / "app").mkdir()
    (folder / "app" / "database.py").write_text(DATABASE)
    (folder / "app" / "main.py").write_text(f"{IMPORTS}{function}\n")
    found = list(blocking_call.check(Subject(source=Source(folder))))
    assert all(one.message.endswith(".") and one.evidence for one in found)
    return [one.line - IMPORTS.count("\n") for one in found]


@pytest.mark.parametrize(
    "statement",
    [
        "time.sleep(1)",
        "requests.get('https://example.com')",
        "subprocess.run(['ls'])",
        "open('big.csv').read()",
        "hashlib.pbkdf2_hmac('sha256', a, b, 100_000)",
        "bcrypt.hashpw(a, b)",
        "pwd_context.verify(a, b)",
        "dep.exec(a)",
        "plain.commit()",
        "with Session(a) as session: session.exec(b)",
        "with SessionLocal() as session: session.commit()",
        "db = SessionLocal(); db.query(a); db.commit()",
    ],
)
def test_a01_it_blocks(tmp_path: Path, statement: str) -> None:
    function = f"async def work(a, b, dep: SessionDep, plain: Session):\n    {statement}"
    assert lines(tmp_path, function) == [2]


@pytest.mark.parametrize(
    "function",
    [
        "def work(a, dep: SessionDep):\n    dep.exec(a); time.sleep(1); bcrypt.hashpw(a, a)",
        "async def work(a, dep: SessionDep):\n    await run_in_threadpool(lambda: dep.exec(a))",
        "async def work(a, dep: SessionDep):\n    def inner():\n        dep.exec(a)\n        time.sleep(1)",
        "async def work(a, dep: AsyncDep, plain: AsyncSession):\n    await dep.exec(a); await plain.commit()",
        "async def work(a):\n    async with AsyncLocal() as session:\n        await session.execute(a)",
        "async def work(a, cache):\n    cache.get(a); cache.execute(a); pwd_context.identify(a)",
        "async def work(a):\n    await asyncio.to_thread(pwd_context.hash, a)",
    ],
)
def test_a01_it_does_not_block(tmp_path: Path, function: str) -> None:
    assert lines(tmp_path, function) == []
