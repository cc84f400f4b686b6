"""KeyGuard: who may act for whom, and every way to be refused."""

from collections.abc import AsyncIterator, Iterator, MutableMapping
from dataclasses import dataclass
from datetime import timedelta
from types import SimpleNamespace
from typing import Annotated, Any

import anyio
import httpx2
import pytest
from fastapi import Depends, FastAPI
from pydantic import SecretStr
from sqlalchemy import Column, MetaData, Table, event, insert, update
from tests.databases import ENGINES, Renewable, renewable

from stanchion.database import BigID, Database, now
from stanchion.errors import handle_errors
from stanchion.secret import new_key
from stanchion.security import Caller, KeyGuard, create, revoke
from stanchion.security.cache import Cache, forget
from stanchion.security.keys import api_keys, metadata
from stanchion.testing import client

pytestmark = pytest.mark.anyio

SERVICE = new_key()
users = Table("users", MetaData(), Column("id", BigID, primary_key=True))

Keys = dict[str, str]


@dataclass
class Built:
    """The app, its database, and a key of each kind, by name; the first is user 1's."""

    app: FastAPI
    database: Database
    renewable: Renewable
    keys: Keys


async def create_keys(database: Database) -> Keys:
    async with database.engine.begin() as connection:
        await connection.run_sync(metadata.create_all)
        await connection.run_sync(users.metadata.create_all)
        await connection.execute(insert(users), [{"id": 1}, {"id": 2}])
    soon, gone = now() + timedelta(hours=1), now() - timedelta(seconds=1)
    async with database.transaction() as session:
        made = {
            "ada": await create(session, user_id=1, name="a", expires_at=soon),
            "reader": await create(session, user_id=1, name="a", scopes=["read"]),
            "writer": await create(session, user_id=1, name="a", scopes=["write"]),
            "stored": await create(session, user_id=None, name="a"),
            "expired": await create(session, user_id=1, name="a", expires_at=gone),
            "revoked": await create(session, user_id=1, name="a"),
            "orphan": await create(session, user_id=99, name="a"),
        }
        await revoke(session, made["revoked"][0].id)
    return {name: secret for name, (_, secret) in made.items()}


@pytest.fixture(scope="module", params=ENGINES)
def built(request: pytest.FixtureRequest) -> Iterator[Built]:
    keys = {"service": SERVICE, "unknown": new_key()}

    async def fill(database: Database) -> None:
        keys.update(await create_keys(database))

    with renewable(request, fill) as one:
        database = Database(one.url)
        guard = KeyGuard(database, service_key=SecretStr(SERVICE), users=users.c.id, hint="Look in .env.")
        yield Built(guarded(guard), database, one, keys)


@pytest.fixture
async def database(built: Built) -> AsyncIterator[Database]:
    built.renewable.renew()
    yield built.database
    await built.database.close()


@pytest.fixture
def keys(built: Built) -> Keys:
    return built.keys


def guarded(guard: KeyGuard) -> FastAPI:
    app = FastAPI()
    handle_errors(app)

    @app.get("/")
    @app.head("/")
    @app.post("/")
    @app.delete("/")
    async def who(caller: Annotated[Caller, Depends(guard)]) -> list[int | None]:
        return [caller.key_id, caller.user_id]

    return app


@pytest.fixture
async def caller(built: Built, database: Database) -> AsyncIterator[httpx2.AsyncClient]:
    async with client(built.app) as caller:
        yield caller


async def ask(caller: httpx2.AsyncClient, *headers: tuple[str, str], method: str = "GET") -> tuple[int, Any]:
    """Return the status with the caller, or with the code of the refusal (of the place, for a 422)."""
    response = await caller.request(method, "/", headers=list(headers))
    content = response.json()
    if response.status_code == 401:
        assert response.headers["WWW-Authenticate"] == "Bearer"
        assert content["detail"].endswith(" Look in .env.")
    if response.status_code == 422:
        (error,) = content["errors"]
        assert error["loc"] == ["header", "X-User-ID"]
        return 422, error["type"]
    return response.status_code, content if response.is_success else content["error"]


@pytest.mark.parametrize(
    ("key", "user", "expected"),
    [
        ("service", None, [None, None]),
        ("service", "2", [None, 2]),
        ("ada", None, [1, 1]),
        ("ada", "1", [1, 1]),
        ("reader", None, [2, 1]),
        ("stored", None, [4, None]),
        ("stored", "2", [4, 2]),
    ],
)
async def test_who_is_asking(
    caller: httpx2.AsyncClient, keys: Keys, key: str, user: str | None, expected: list[int | None]
) -> None:
    more = [("X-User-ID", user)] if user else []
    for header in (
        ("X-API-Key", keys[key]),
        ("Authorization", f"Bearer {keys[key]}"),
        ("authorization", f"bearer  {keys[key]}"),
    ):
        assert await ask(caller, header, *more) == (200, expected)


@pytest.mark.parametrize("key", ["unknown", "expired", "revoked", "orphan"])
async def test_a_key_that_opens_nothing(
    caller: httpx2.AsyncClient, keys: Keys, key: str, logged: list[MutableMapping[str, Any]]
) -> None:
    # Also with an X-User-ID that is wrong: a stranger learns nothing more.
    for more in ([], [("X-User-ID", "1")], [("X-User-ID", "x")]):
        assert await ask(caller, ("X-API-Key", keys[key]), *more) == (401, "key_not_valid")
    assert {(event["event"], event["reason"], event["prefix"]) for event in logged} == {
        ("refused", "key_not_valid", keys[key][:11])
    }


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [("X-API-Key", "")],
        [("Authorization", "")],
        [("Authorization", "Bearer")],
        [("Authorization", "Bearer ")],
        [("Authorization", "Basic aHVudGVyMg==")],
        [("X-User-ID", "1")],
        [("X-User-ID", "")],
    ],
)
async def test_no_key(caller: httpx2.AsyncClient, headers: list[tuple[str, str]]) -> None:
    assert await ask(caller, *headers) == (401, "key_missing")


async def test_the_same_key_twice_is_one_and_two_keys_are_none(
    caller: httpx2.AsyncClient, keys: Keys
) -> None:
    ada, service = ("X-API-Key", keys["ada"]), ("X-API-Key", keys["service"])
    bearer = ("Authorization", f"Bearer {keys['ada']}")
    assert await ask(caller, ada, ada, bearer, ("Authorization", "Basic eA==")) == (200, [1, 1])
    for pair in (
        (ada, service),
        (service, bearer),
        (ada, ("Authorization", "Bearer x")),
        (ada, ("X-API-Key", "")),
    ):
        assert await ask(caller, *pair) == (401, "keys_differ")


@pytest.mark.parametrize("key", ["ada", "reader"])
async def test_a_users_key_acts_for_nobody_else(caller: httpx2.AsyncClient, keys: Keys, key: str) -> None:
    for other in ("2", "99"):
        assert await ask(caller, ("X-API-Key", keys[key]), ("X-User-ID", other)) == (403, "other_user")


@pytest.mark.parametrize(
    ("values", "type"),
    [
        (["99"], "user_not_found"),
        ([""], "int_parsing"),
        (["x"], "int_parsing"),
        (["0"], "int_parsing"),
        (["01"], "int_parsing"),
        (["-1"], "int_parsing"),
        (["1.0"], "int_parsing"),
        (["\xb2"], "int_parsing"),
        ([str(2**63)], "int_parsing"),
        (["9" * 5000], "int_parsing"),
        (["1", "1"], "repeated"),
        (["1", "2"], "repeated"),
    ],
)
async def test_a_user_that_cannot_be(
    caller: httpx2.AsyncClient, keys: Keys, values: list[str], type: str
) -> None:
    named = [(b"X-User-ID", value.encode("latin-1")) for value in values]
    for key in ("service", "stored"):
        response = await caller.get("/", headers=[(b"X-API-Key", keys[key].encode()), *named])
        assert (response.status_code, response.json()["errors"][0]["type"]) == (422, type)


@pytest.mark.parametrize(
    ("key", "method", "status"),
    [
        ("reader", "GET", 200),
        ("reader", "HEAD", 200),
        ("reader", "POST", 403),
        ("reader", "DELETE", 403),
        ("writer", "GET", 403),
        ("writer", "POST", 200),
    ],
)
async def test_scopes(
    caller: httpx2.AsyncClient,
    keys: Keys,
    key: str,
    method: str,
    status: int,
    logged: list[MutableMapping[str, Any]],
) -> None:
    response = await caller.request(method, "/", headers={"X-API-Key": keys[key]})
    assert response.status_code == status
    if status == 403:
        assert response.json()["error"] == "scope_missing"
        assert (logged[0]["event"], logged[0]["prefix"]) == ("refused", keys[key][:11])


@pytest.mark.parametrize("text", ["hunter2", "st_hunter2", "\xfc" * 20])
async def test_what_was_sent_as_a_key_is_not_logged(
    caller: httpx2.AsyncClient, text: str, logged: list[MutableMapping[str, Any]]
) -> None:
    response = await caller.get("/", headers=[(b"X-API-Key", text.encode("latin-1"))])
    assert response.status_code == 401
    assert text[:5] not in str(logged) + response.text


async def test_without_a_service_key_and_users(database: Database, keys: Keys) -> None:
    async with client(guarded(KeyGuard(database))) as caller:
        for name, status in (("service", 401), ("ada", 200), ("orphan", 200), ("stored", 200)):
            response = await caller.get("/", headers={"X-API-Key": keys[name]})
            assert response.status_code == status
        response = await caller.get("/", headers={"X-API-Key": keys["stored"], "X-User-ID": "1"})
        assert response.status_code == 422


async def test_it_is_documented(caller: httpx2.AsyncClient) -> None:
    document = (await caller.get("/openapi.json")).json()
    assert set(document["components"]["securitySchemes"]) == {"ApiKey", "Bearer"}
    operation = document["paths"]["/"]["get"]
    assert operation["security"] == [{"ApiKey": []}, {"Bearer": []}]
    assert {"401", "403"} <= set(operation["responses"])
    assert [parameter["name"] for parameter in operation["parameters"]] == ["X-User-ID"]


async def test_what_is_revoked_here_is_refused_at_once(
    caller: httpx2.AsyncClient, keys: Keys, database: Database
) -> None:
    header = ("X-API-Key", keys["ada"])
    assert await ask(caller, header) == (200, [1, 1])
    async with database.transaction() as session:
        await revoke(session, 1)
        assert await ask(caller, header) == (200, [1, 1])  # it has not committed
    assert await ask(caller, header) == (401, "key_not_valid")


async def test_what_is_revoked_elsewhere_is_refused_when_the_cache_is_over(
    database: Database, keys: Keys
) -> None:
    header = ("X-API-Key", keys["ada"])
    short = guarded(KeyGuard(database, users=users.c.id, hint="Look in .env.", cache=0.2))
    never = guarded(KeyGuard(database, users=users.c.id, hint="Look in .env.", cache=0))
    async with client(short) as remembering, client(never) as looking:
        assert await ask(remembering, header) == (200, [1, 1])
        assert await ask(looking, header) == (200, [1, 1])
        async with database.engine.begin() as elsewhere:
            await elsewhere.execute(update(api_keys).values(revoked_at=now()))
        assert await ask(looking, header) == (401, "key_not_valid")
        await anyio.sleep(0.3)
        assert await ask(remembering, header) == (401, "key_not_valid")


async def test_one_look_for_a_key_and_a_user_within_the_cache(
    caller: httpx2.AsyncClient, keys: Keys, database: Database
) -> None:
    statements: list[str] = []

    def note(_: Any, __: Any, statement: str, *___: Any) -> None:
        if statement.startswith("SELECT"):
            statements.append(statement)

    event.listen(database.engine.sync_engine, "before_cursor_execute", note)
    forget()
    for _ in range(3):
        assert await ask(caller, ("X-API-Key", keys["stored"]), ("X-User-ID", "2")) == (200, [4, 2])
        assert (await ask(caller, ("X-API-Key", keys["unknown"])))[0] == 401
    event.remove(database.engine.sync_engine, "before_cursor_execute", note)
    assert len(statements) == 2 + 3  # that there is no such key is asked each time


async def test_a_key_that_expires_while_it_is_remembered(
    caller: httpx2.AsyncClient, database: Database
) -> None:
    async with database.transaction() as session:
        _, secret = await create(session, user_id=1, name="a", expires_at=now() + timedelta(seconds=0.5))
    assert (await ask(caller, ("X-API-Key", secret)))[0] == 200
    await anyio.sleep(0.6)
    assert await ask(caller, ("X-API-Key", secret)) == (401, "key_not_valid")


async def test_what_was_read_before_it_was_revoked_is_not_remembered() -> None:
    cache = Cache[str](60)

    async def slow() -> str:
        forget()  # meanwhile it was revoked
        return "good"

    async def none() -> None:
        return None

    assert await cache.get("key", slow) == "good"
    assert await cache.get("key", none) is None


async def test_of_many_one_looks_again_before_the_time_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    seconds = [100.0]
    monkeypatch.setattr("stanchion.security.cache.time", SimpleNamespace(monotonic=lambda: seconds[0]))
    cache, looks = Cache[int](10), 0
    going, may_end = anyio.Event(), anyio.Event()
    answers: list[int | None] = []

    async def look() -> int | None:
        nonlocal looks
        looks += 1
        if looks == 2:
            going.set()
            await may_end.wait()
        return None if looks == 3 else looks

    async def late() -> None:
        answers.append(await cache.get("key", look))

    assert await cache.get("key", look) == 1
    seconds[0] += 7.9
    assert await cache.get("key", look) == 1
    seconds[0] += 0.2
    async with anyio.create_task_group() as group:
        group.start_soon(late)
        await going.wait()
        assert [await cache.get("key", look) for _ in range(9)] == [1] * 9  # the others need not wait
        may_end.set()
    assert (looks, answers) == (2, [2])
    seconds[0] += 9.0
    assert await cache.get("key", look) is None  # it is gone meanwhile: for all, at once
    assert await cache.get("key", look) == 4


async def test_what_is_remembered_is_good_until_its_time_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    seconds = [100.0]
    monkeypatch.setattr("stanchion.security.cache.time", SimpleNamespace(monotonic=lambda: seconds[0]))
    cache = Cache[int](10)

    async def found() -> int:
        return 1

    async def away() -> int:
        raise OSError("the database is away")

    assert await cache.get("key", found) == 1
    seconds[0] += 9.5
    assert await cache.get("key", away) == 1
    seconds[0] += 0.6
    with pytest.raises(OSError, match="away"):
        await cache.get("key", away)


async def test_a_cache_has_an_end() -> None:
    cache = Cache[int](60)

    async def found() -> int:
        return 1

    for name in range(20_001):
        await cache.get(name, found)
    assert len(cache._found) <= 10_000
