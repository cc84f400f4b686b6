"""Who follows: by a key, or a ticket in the URL; for as long as the key is good."""

import asyncio
import logging
from collections.abc import Collection
from datetime import timedelta
from typing import Any

import pytest
from tests.events.conftest import Feeds, make
from tests.events.following import following

from stanchion import security
from stanchion.caller import Caller
from stanchion.database import Database
from stanchion.events.reader import Reader
from stanchion.events.subscriber import Audience, Subscriber
from stanchion.security.keys import ALL_SCOPES, Scope
from stanchion.testing import client

pytestmark = pytest.mark.anyio

SECRETS = "/secrets/events"


async def key_of(feeds: Feeds, user_id: int | None, *scopes: Scope) -> tuple[int, str]:
    """Return the id of a new key, and the key."""
    async with feeds.database.transaction() as session:
        key, secret = await security.create(
            session, user_id=user_id, name="test", scopes=scopes or ALL_SCOPES
        )
    return key.id, secret


async def ticket_of(feeds: Feeds, secret: str) -> Any:
    async with client(feeds.app, headers={"X-API-Key": secret}) as caller:
        answer = await caller.post(f"{SECRETS}/ticket")
    assert answer.status_code == 201
    return answer.json()


async def revoke(feeds: Feeds, key_id: int) -> None:
    async with feeds.database.transaction() as session:
        assert await security.revoke(session, key_id)


async def test_a_key_opens_its_users_feed(feeds: Feeds) -> None:
    _, secret = await key_of(feeds, 5)
    async with following(feeds.app, SECRETS, X_API_Key=secret) as one:
        await feeds.write("a", topic="secret", owner_id=5)
        await feeds.write("b", topic="secret", owner_id=6)
        await feeds.write("c", topic="secret", owner_id=5)
        await one.has(2)
    assert one.keys == ["a", "c"]
    async with following(feeds.app, SECRETS) as nobody:
        await nobody.until(lambda one: one.is_ended)
    assert (nobody.status, nobody.problem["error"]) == (401, "key_missing")


async def test_a_ticket_opens_what_its_key_does(feeds: Feeds) -> None:
    _, secret = await key_of(feeds, 5)
    issued = await ticket_of(feeds, secret)
    assert set(issued) == {"ticket", "expires_at"}
    for query in (f"ticket={issued['ticket']}", f"a=%C3%A4&ticket={issued['ticket']}&b="):
        async with following(feeds.app, SECRETS, query) as one:
            await feeds.write("b", topic="secret", owner_id=6)
            await feeds.write("a", topic="secret", owner_id=5)
            await one.has(1)
        assert one.keys == ["a"]
        # What a server's own log prints of the request is made of this.
        assert b"ticket" not in one.scope["query_string"]
        assert one.scope["query_string"] == query.partition("ticket=")[0].encode() + b"b=" * ("b=" in query)


async def test_a_ticket_is_for_who_may_read(feeds: Feeds) -> None:
    _, reader = await key_of(feeds, 5, "read")
    _, writer = await key_of(feeds, 5, "write")
    ticket = (await ticket_of(feeds, reader))["ticket"]
    async with following(feeds.app, SECRETS, f"ticket={ticket}") as one:
        await feeds.write("a", topic="secret", owner_id=5)
        await one.has(1)
    async with client(feeds.app, headers={"X-API-Key": writer}) as caller:
        refused = await caller.post(f"{SECRETS}/ticket")
    assert (refused.status_code, refused.json()["error"]) == (403, "scope_missing")
    async with following(feeds.app, SECRETS, X_API_Key=writer) as one:
        await one.until(lambda one: one.is_ended)
    assert one.status == 403


@pytest.mark.parametrize("query", ["ticket=", "ticket=nonsense", "ticket=a&ticket=b"])
async def test_what_is_no_ticket(feeds: Feeds, query: str) -> None:
    async with following(feeds.app, SECRETS, query) as one:
        await one.until(lambda one: one.is_ended)
    assert (one.status, one.problem["error"]) == (401, "ticket_not_valid")


async def test_a_ticket_is_for_one_path_and_for_reading(feeds: Feeds) -> None:
    _, secret = await key_of(feeds, 5)
    ticket = (await ticket_of(feeds, secret))["ticket"]
    feeds.app.add_api_route("/elsewhere", feeds.events.subscription("word", caller=feeds.guard))
    async with client(feeds.app) as caller:
        other = await caller.get("/elsewhere", params={"ticket": ticket})
        another = await caller.post(f"{SECRETS}/ticket", params={"ticket": ticket})
    assert (other.status_code, other.json()["error"]) == (401, "ticket_not_valid")
    assert (another.status_code, another.json()["error"]) == (401, "key_missing")


async def test_a_ticket_expires(database: Database) -> None:
    feeds = make(database, ticket_lifetime=timedelta(seconds=-1))
    _, secret = await key_of(feeds, 5)
    ticket = (await ticket_of(feeds, secret))["ticket"]
    async with following(feeds.app, SECRETS, f"ticket={ticket}") as one:
        await one.until(lambda one: one.is_ended)
    assert (one.status, one.problem["error"]) == (401, "ticket_not_valid")


async def test_a_ticket_is_no_longer_good_than_its_key(feeds: Feeds) -> None:
    key_id, secret = await key_of(feeds, 5)
    ticket = (await ticket_of(feeds, secret))["ticket"]
    await revoke(feeds, key_id)
    async with following(feeds.app, SECRETS, f"ticket={ticket}") as one:
        await one.until(lambda one: one.is_ended)
    assert (one.status, one.problem["error"]) == (401, "key_not_valid")


async def test_a_ticket_is_in_no_log(
    feeds: Feeds, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    _, secret = await key_of(feeds, 5)
    ticket = (await ticket_of(feeds, secret))["ticket"]
    with caplog.at_level(logging.DEBUG):
        async with following(feeds.app, SECRETS, f"ticket={ticket}") as one:
            assert one.status == 200
        async with following(feeds.app, SECRETS, f"ticket={ticket}x") as one:
            assert one.status == 401
    printed = capsys.readouterr()
    assert ticket not in caplog.text + printed.out + printed.err + one.sent.decode()


async def test_a_stream_ends_with_its_key(database: Database) -> None:
    feeds = make(database, recheck=0.05)
    key_id, secret = await key_of(feeds, 5)
    _, other = await key_of(feeds, 5)
    ticket = (await ticket_of(feeds, secret))["ticket"]
    async with (
        following(feeds.app, SECRETS, X_API_Key=secret) as by_key,
        following(feeds.app, SECRETS, f"ticket={ticket}") as by_ticket,
        following(feeds.app, SECRETS, X_API_Key=other) as stays,
        following(feeds.app, "/words/events") as open_to_all,
    ):
        await feeds.write("a", topic="secret", owner_id=5)
        for one in (by_key, by_ticket, stays):
            await one.has(1)
        await revoke(feeds, key_id)
        await by_key.until(lambda one: one.is_ended)
        await by_ticket.until(lambda one: one.is_ended)
        await feeds.write("b", topic="secret", owner_id=5)
        await stays.has(2)
        assert not open_to_all.is_ended
    assert by_key.keys == by_ticket.keys == ["a"]


async def test_what_the_document_says(feeds: Feeds) -> None:
    paths = feeds.app.openapi()["paths"]
    follow = paths[SECRETS]["get"]
    names = {(one["in"], one["name"]) for one in follow["parameters"]}
    assert names >= {("query", "ticket"), ("query", "last_event_id"), ("header", "Last-Event-ID")}
    assert follow["security"]
    assert list(follow["responses"]["200"]["content"]) == ["text/event-stream"]
    assert {one["name"] for one in paths["/words/events"]["get"]["parameters"]} == {
        "last_event_id",
        "Last-Event-ID",
    }


async def test_one_that_comes_while_keys_are_asked_about_stays(feeds: Feeds) -> None:
    async def tend() -> float:
        return 60.0

    async def active(callers: Collection[Caller]) -> set[Caller]:
        asked.append(set(callers))
        if len(asked) == 1:
            reader.join(late)
        else:
            again.set()
        return {one for one in callers if one.key_id != 1}

    asked: list[set[Caller]] = []
    again = asyncio.Event()
    reader = Reader(feeds.database, tend, every=0.01)
    early, late = [Subscriber(Audience("secret"), Caller(number, 5), active) for number in (1, 2)]
    reader.join(early)
    running = asyncio.create_task(reader.run())
    async with asyncio.timeout(20):
        await again.wait()
    running.cancel()
    await asyncio.wait([running])
    assert asked[0] == {early.caller}
    assert (early.is_closed, late.is_closed) == (True, False)
