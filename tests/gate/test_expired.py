"""Keys that are ended: tokens that are signed again, rows that expire for a moment, what is not judged."""

import asyncio
import hashlib
import time
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import (
    Column,
    DateTime,
    Engine,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    create_engine,
    insert,
    select,
)
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from stanchion.database import UTCDateTime
from stanchion.gate import Options, Project, Report, check
from stanchion.gate.agent import expiring, serving
from stanchion.gate.rules.security.expired_key_refused import _reads, _shown, expired_key_refused
from stanchion.gate.tokens import Token, token_in

pytestmark = pytest.mark.measured

KEY = "st_ab2cd3ef_correct-horse-battery-staple"
EXAMPLE = (  # of https://jwt.io, with its secret
    "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9."
    "eyJzdWIiOiIxMjM0NTY3ODkwIiwibmFtZSI6IkpvaG4gRG9lIiwiaWF0IjoxNTE2MjM5MDIyfQ."
    "SflKxwRJSMeKKF2QT4fwpMeJf36POk6yJV_adQssw5c"
)


def token(**claims: Any) -> Token:
    return Token("", {"alg": "HS512"}, claims)


def test_a_token_is_read_and_signed_again() -> None:
    found = token_in(f"session={EXAMPLE}; Path=/")
    assert found is not None
    assert found.text == EXAMPLE
    assert found.claims["name"] == "John Doe"
    assert found.secret(["", "other", "your-256-bit-secret"]) == "your-256-bit-secret"
    assert found.secret(["other"]) is None
    assert found.signed("your-256-bit-secret") == EXAMPLE
    again = token_in(found.signed("new", exp=7))
    assert again is not None
    assert (again.secret(["new"]), again.expiry, again.claims["sub"]) == ("new", 7, "1234567890")
    unsigned = token_in(found.unsigned())
    assert unsigned is not None
    assert unsigned.text.endswith(".")
    assert (unsigned.header["alg"], unsigned.claims) == ("none", found.claims)
    assert unsigned.secret(["new"]) is None


@pytest.mark.parametrize("text", ["", "Bearer st_abc", "eyJub.eyJub.x", "eyJhbGciOiJIUzI1NiJ9.eyJ.x"])
def test_what_is_no_token(text: str) -> None:
    assert token_in(text) is None


def test_how_long_a_token_lives() -> None:
    assert token(iat=100, exp=160).lifetime == 60
    assert token(nbf=100, exp=130).lifetime == 30
    assert token(exp=160).lifetime is None
    assert token(iat=100).lifetime is None
    assert token(exp="soon").expiry is None
    assert token(exp=True).expiry is None


metadata = MetaData()
AHEAD = datetime.now(UTC).replace(microsecond=0) + timedelta(days=30)
KINDS: dict[str, tuple[Any, Any]] = {
    "naive": (DateTime(), AHEAD.replace(tzinfo=None)),
    "naive_none": (DateTime(), None),
    "ours": (UTCDateTime(), AHEAD),
    "ours_none": (UTCDateTime(), None),
    "aware_none": (DateTime(timezone=True), None),
    "seconds": (Integer(), int(AHEAD.timestamp())),
    "seconds_none": (Integer(), None),
}
TABLES = {
    name: Table(
        f"{name}_api_keys",
        metadata,
        Column("id", Integer, primary_key=True),
        Column("digest", String(100)),
        Column("raw", LargeBinary),
        Column("expires_at", kind),
    )
    for name, (kind, _) in KINDS.items()
}
TEXT = Table("text_tokens", metadata, Column("id", Integer, primary_key=True), Column("token", String(100)))
TEXT.append_column(Column("expires", String(30)))
OTHER = Table(
    "coupons", metadata, Column("code", String(100), primary_key=True), Column("expires_at", DateTime)
)


def fill(connection: Any) -> None:
    metadata.create_all(connection)
    digest = hashlib.sha256(KEY.encode())
    for name, (_, value) in KINDS.items():
        connection.execute(
            insert(TABLES[name]),
            [
                {"digest": digest.hexdigest(), "raw": b"", "expires_at": value},
                {"digest": "another", "raw": b"another", "expires_at": value},
                {"digest": "", "raw": digest.digest(), "expires_at": value},
                {"digest": "st_ab2cd3ef", "raw": b"", "expires_at": value},
                {"digest": "st_ab", "raw": b"", "expires_at": value},
            ],
        )
    connection.execute(insert(TEXT).values(token=KEY, expires="2099-01-01"))
    connection.execute(insert(OTHER).values(code=KEY, expires_at=AHEAD.replace(tzinfo=None)))


def rows(connection: Any) -> dict[str, list[Any]]:
    tables = {**TABLES, "coupons": OTHER}
    return {
        name: list(connection.scalars(select(table.c.expires_at).order_by(*table.primary_key)))
        for name, table in tables.items()
    }


def is_past(value: Any) -> bool:
    if isinstance(value, int):
        return value < time.time()
    return isinstance(value, datetime) and value.replace(tzinfo=UTC) < datetime.now(UTC)


def compare(before: dict[str, list[Any]], between: dict[str, list[Any]], after: dict[str, list[Any]]) -> None:
    assert before == after
    for name in KINDS:
        assert [is_past(one) for one in between[name]] == [True, False, True, True, False], name
        assert between[name][1] == before[name][1]
    assert between["coupons"] == before["coupons"]


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Engine]]:
    """Give a list of engines, which are all that the agent sees."""
    engines: list[Engine] = []
    monkeypatch.setattr("stanchion.gate.agent.engines.alive", lambda: engines)
    yield engines
    for engine in engines:
        engine.dispose()


NAMES = sorted(f"{name}_api_keys" for name in KINDS)


def test_the_row_of_a_key_expires_and_comes_back(sqlite_url: str, alone: list[Engine]) -> None:
    engine = create_engine(sqlite_url)
    reader = create_engine(f"{sqlite_url.replace('sqlite:///', 'sqlite:///file:')}?mode=ro&uri=true")
    alone += [engine, reader, engine]
    with engine.begin() as connection:
        fill(connection)
        before = rows(connection)
    assert expiring.expire(KEY, [], "keys?$") == NAMES
    with engine.begin() as connection:
        between = rows(connection)
    expiring.unexpire()
    with engine.begin() as connection:
        compare(before, between, rows(connection))
    assert expiring.expire("a key that nobody keeps", [], "keys?$") == []
    assert expiring.expire("something else", ["another"], "keys?$") == NAMES
    expiring.unexpire()
    with engine.begin() as connection:
        assert rows(connection) == before


@pytest.mark.postgres
@pytest.mark.parametrize("driver", ["asyncpg", "psycopg"])
def test_on_postgresql(
    postgresql_url: str, driver: str, alone: list[Engine], monkeypatch: pytest.MonkeyPatch
) -> None:
    url = postgresql_url.replace("postgresql://", f"postgresql+{driver}://")
    engine = create_async_engine(url, poolclass=NullPool)
    alone.append(engine.sync_engine)

    async def on(work: Any) -> Any:
        async with engine.begin() as connection:
            return await connection.run_sync(work)

    async def travel() -> None:
        loop = asyncio.get_running_loop()
        monkeypatch.setattr(serving, "loop", lambda: loop)
        await on(fill)
        before = await on(rows)
        assert await asyncio.to_thread(expiring.expire, KEY, [], "keys?$") == NAMES
        between = await on(rows)
        await asyncio.to_thread(expiring.unexpire)
        compare(before, between, await on(rows))

    asyncio.run(travel())


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"id": 1, "key": KEY}, [(KEY, 1)]),
        ({"key_id": 1, "api_key": KEY}, [(KEY, 1)]),
        ({"secret": KEY, "key": {"id": 2, "prefix": "st"}}, [(KEY, 2)]),
        ({"user": {"id": 3}, "key": KEY}, []),
        ({"id": 1, "key": "short"}, []),
        ({"id": 1, "name": KEY}, []),
    ],
)
def test_which_id_is_the_keys(body: Any, expected: list[tuple[str, int]]) -> None:
    assert list(_shown(body, "key_id")) == expected


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("SELECT a.id \nFROM api_keys AS a WHERE 1", True),
        ('SELECT 1 FROM "auth"."api_keys"', True),
        ("SELECT 1 FROM users JOIN api_keys ON 1", True),
        ("UPDATE api_keys SET used_at = 1", False),
        ("SELECT 1 FROM api_keys_log", False),
        ("SELECT 1 FROM users", False),
    ],
)
def test_which_statements_read_the_table(sql: str, expected: bool) -> None:
    assert _reads(sql, ["api_keys"]) is expected


APP = """
import base64, hashlib, hmac, json, os, time
from fastapi import Depends, FastAPI, HTTPException
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import BaseModel

app = FastAPI()
users = {}
SECRET = os.environ["SIGNING"]


class Account(BaseModel):
    email: str
    password: str


def encode(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def decode(text):
    return json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))


def sign(text):
    return encode(hmac.digest(SECRET.encode(), text.encode(), "sha256"))


def get_user(key: HTTPAuthorizationCredentials = Depends(HTTPBearer())) -> str:
    try:
        text, _, signature = key.credentials.rpartition(".")
        head, claims = map(decode, text.split("."))
    except ValueError:
        raise HTTPException(401)
    if not (NONE and head["alg"] == "none") and signature != sign(text):
        raise HTTPException(401)
    if EXPIRES and claims["exp"] < time.time():
        raise HTTPException(401)
    return claims["sub"]


@app.post("/users", status_code=201)
def create_user(body: Account) -> str:
    users[body.email] = body.password
    return body.email


@app.post("/token")
def create_token(body: Account) -> dict[str, str]:
    claims = {"sub": body.email, "iat": int(time.time()), "exp": int(time.time()) + 600}
    text = ".".join(encode(json.dumps(one).encode()) for one in ({"alg": "HS256"}, claims))
    return {"access_token": text + "." + sign(text)}


@app.get("/me")
def read_me(user: str = Depends(get_user)) -> str:
    return user
"""


def judged(folder: Path, *changes: tuple[str, str], variables: Iterable[tuple[str, str]] = ()) -> Report:
    text = APP
    for old, new in (*changes, ("NONE", "False"), ("EXPIRES", "True")):
        text = text.replace(old, new)
    (folder / "main.py").write_text(text)
    return check(
        Project.find(folder), rules=[expired_key_refused], options=Options(environment=tuple(variables))
    )


GIVEN = [("SIGNING", "correct-horse")]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (("EXPIRES", "True"), []),
        (("EXPIRES", "False"), ["A token that expired an hour ago still opens it."]),
        (("NONE", "True"), ["A token that nobody signed opens it."]),
    ],
)
def test_a_token_that_is_signed_again(tmp_path: Path, change: tuple[str, str], expected: list[str]) -> None:
    (result,) = judged(tmp_path, change, variables=GIVEN).results
    assert [one.message for one in result.findings] == expected
    assert result.reason == ""
    for one in result.findings:
        assert "_TOKEN" in one.curl
        assert "eyJ" not in one.curl + one.evidence


@pytest.mark.slow
def test_a_secret_in_the_source(tmp_path: Path) -> None:
    hidden = ('os.environ["SIGNING"]', '"correct-horse"')
    (result,) = judged(tmp_path, hidden, ("EXPIRES", "False")).results
    assert [one.message for one in result.findings] == ["A token that expired an hour ago still opens it."]


@pytest.mark.slow
def test_a_secret_that_nobody_knows(tmp_path: Path) -> None:
    (result,) = judged(tmp_path, ('os.environ["SIGNING"]', "os.urandom(20).hex()")).results
    assert result.findings == ()
    assert result.reason == (
        "no operation deletes a key by its id; the secret of its token is neither in the environment nor in "
        "the source; no table with an expiry was found to hold the key"
    )
