"""docs/leaving.md: the same requests, before and after, have the same answers; and the data stays."""

import asyncio
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import pytest
from argon2 import PasswordHasher
from pydantic import SecretStr
from sqlalchemy import text
from tests.pages import blocks
from tests.serving import client, free_port, uvicorn

from stanchion import Database
from stanchion.database import migrations
from stanchion.database.schema import Status, state
from stanchion.security import create, hash_password

PAGE = Path(__file__).parents[2] / "docs/leaving.md"
BEFORE, AFTER = PAGE.parent / "leaving/with", PAGE.parent / "leaving/without"
SHOWN = ("Content-Type", "ETag", "Location", "WWW-Authenticate")
OTHERWISE = ("created_at", "request_id")
"""What no two answers share."""

Sent = tuple[str, str, Any, dict[str, str]]

REQUESTS: list[Sent] = [
    ("POST", "/notes", {"text": "milk"}, {}),
    ("POST", "/notes", {"text": "bread", "pinned": True}, {}),
    ("POST", "/notes", {"text": ""}, {}),
    ("POST", "/notes", {"pinned": "perhaps"}, {}),
    ("GET", "/notes", None, {}),
    ("GET", "/notes?pinned=true", None, {}),
    ("GET", "/notes?pinned=perhaps", None, {}),
    ("GET", "/notes?limit=1&offset=1", None, {}),
    ("GET", "/notes?limit=1000", None, {}),
    ("GET", "/notes/{0}", None, {}),
    ("PATCH", "/notes/{0}", {"text": "two milk"}, {"If-Match": '"1"'}),
    ("PATCH", "/notes/{0}", {"text": "late"}, {"If-Match": '"1"'}),
    ("PATCH", "/notes/{0}", {"text": None}, {}),
    ("PUT", "/notes/{0}", {"pinned": True}, {}),
    ("PATCH", "/notes/{0}", {}, {}),
    ("GET", "/notes/{0}", None, {}),
    ("GET", "/notes/999999", None, {}),
    ("GET", "/notes/0", None, {}),
    ("POST", "/notes/{0}", None, {}),
    ("GET", "/elsewhere", None, {}),
    ("DELETE", "/notes/{1}", None, {"If-Match": '"7"'}),
    ("DELETE", "/notes/{1}", None, {}),
    ("DELETE", "/notes/{1}", None, {}),
    ("GET", "/notes", None, {}),
    ("GET", "/health", None, {}),
]


@dataclass
class Conversation:
    """What one client asks and is answered. Its rows are numbered from 0, whatever ids they have."""

    caller: httpx2.Client
    key: str
    ids: list[int] = field(default_factory=list)

    def ask(self, method: str, path: str, body: Any, headers: dict[str, str]) -> tuple[Any, ...]:
        url = path.format(*self.ids)
        given = {"X-API-Key": self.key} | headers
        response = self.caller.request(method, url, json=body, headers={k: v for k, v in given.items() if v})
        content: Any = response.json() if response.content else None
        if method == "POST" and response.status_code == 201:
            self.ids.append(content["id"])
        shown = {name: self._numbered(response.headers.get(name)) for name in SHOWN}
        return method, path, response.status_code, shown, self._numbered(content)

    def _numbered(self, content: Any) -> Any:
        if isinstance(content, list):
            return [self._numbered(one) for one in content]
        if isinstance(content, dict):
            return {
                name: self.ids.index(value) if name == "id" else self._numbered(value)
                for name, value in content.items()
                if name not in OTHERWISE
            }
        if isinstance(content, str):
            return re.sub(r"^/notes/(\d+)$", self._number, content)
        return content

    def _number(self, match: re.Match[str]) -> str:
        known = int(match[1]) in self.ids
        return f"/notes/number {self.ids.index(int(match[1]))}" if known else match[0]


def keys(url: str) -> dict[str, str]:
    """Return keys: of two users, one that may only read, and one of nobody."""

    async def make() -> dict[str, str]:
        database = Database(url)
        try:
            async with database.transaction() as session:
                made = {
                    "ada": await create(session, user_id=1, name="ada"),
                    "bob": await create(session, user_id=2, name="bob"),
                    "reader": await create(session, user_id=1, name="reader", scopes=["read"]),
                }
        finally:
            await database.close()
        return {name: secret for name, (_, secret) in made.items()} | {"nobody": "st_nobody"}

    return asyncio.run(make())


@pytest.mark.slow
def test_the_same_requests_have_the_same_answers(database_url: str, tmp_path: Path) -> None:
    migrations.upgrade(database_url, tmp_path)
    key, answers = keys(database_url), {}
    port = free_port()
    rest: list[Sent] = [("POST", "/notes", {"text": "no"}, {}), ("GET", "/notes", None, {})]
    for user, app in (("ada", BEFORE), ("bob", AFTER)):
        with (
            uvicorn("main:app", app, port=port, log=tmp_path / "log", DATABASE_URL=database_url),
            client(f"http://127.0.0.1:{port}") as caller,
        ):
            conversation = Conversation(caller, key[user])
            answers[app] = [conversation.ask(*one) for one in REQUESTS]
            for other in ("nobody", "reader", ""):
                known = Conversation(caller, key.get(other, ""), [1, 2, 3, 4])
                answers[app] += [known.ask(*one)[:-1] for one in rest]
            ada = caller.get("/notes", headers={"X-API-Key": key["ada"]}).raise_for_status().json()
            answers[app].append(("GET", "/notes", 200, {}, ada))
    for before, after in zip(answers[BEFORE], answers[AFTER], strict=True):
        assert after == before
    assert len(answers[BEFORE]) == len(REQUESTS) + 7
    assert answers[BEFORE][-1][-1][0]["text"] == "two milk"  # written by the one, read by the other


def test_each_table_of_the_library_is_told_of() -> None:
    revisions = Path(migrations.__file__).parent / "revisions/versions"
    tables = set(
        re.findall(r'create_table\(\s*"(\w+)"', "".join(p.read_text() for p in revisions.glob("*.py")))
    )
    assert len(tables) >= 4
    section = PAGE.read_text(encoding="utf-8").partition("## The tables")[2]
    told = set(re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE))
    assert told == tables | {"stanchion_version", "alembic_version"}


@pytest.mark.anyio
async def test_a_key_can_be_read_elsewhere(postgresql_url: str, tmp_path: Path) -> None:
    migrations.upgrade(postgresql_url, tmp_path)
    (query,) = (block for kind, block in blocks(PAGE) if kind == "sql")
    database = Database(postgresql_url)
    async with database.transaction() as session:
        _, secret = await create(session, user_id=7, name="theirs", scopes=["read"])
        found = (await session.execute(text(query.replace("st_...", secret)))).all()
        assert [tuple(row) for row in found] == [(7, "read")]
        assert not (await session.execute(text(query))).all()
    await database.close()


def test_the_page_shows_the_code() -> None:
    whole = (AFTER / "main.py").read_text(encoding="utf-8")
    (shown,) = (block for kind, block in blocks(PAGE) if kind == "python" and block.startswith("# main.py"))
    assert shown.partition("\n")[2] in whole


@pytest.mark.slow
def test_alembic_goes_on(database_url: str, tmp_path: Path) -> None:
    shutil.copytree(PAGE.parent / "guide/steps/6_jobs/migrations", tmp_path / "migrations")
    migrations.upgrade(database_url, tmp_path)
    for _, block in blocks(PAGE):
        name, _, content = block.partition("\n")
        if name in ("# alembic.ini", "# migrations/env.py"):
            (tmp_path / name.removeprefix("# ")).write_text(content)
    url = database_url.replace("postgresql://", "postgresql+psycopg://")
    environment = os.environ | {"SYNC_DATABASE_URL": url}

    def alembic(*arguments: str) -> str:
        command = [sys.executable, "-m", "alembic", *arguments]
        done = subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert alembic("current").strip() == "0003 (head)"
    alembic("downgrade", "0002")
    alembic("upgrade", "head")
    assert alembic("current").strip() == "0003 (head)"
    assert state(database_url, tmp_path).status is Status.current


@pytest.mark.anyio
async def test_a_password_can_be_read_elsewhere() -> None:
    hashed = await hash_password(SecretStr("correct horse battery"))
    assert hashed.startswith("$argon2id$v=19$m=65536,")
    assert PasswordHasher().verify(hashed, "correct horse battery")
