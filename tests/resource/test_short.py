"""The short ways of a resource beside the way of its path operations: the same answers, events and lines."""

import gc
import re
from collections.abc import AsyncIterator, Iterator, MutableMapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import UUID

import httpx2
import pytest
from fastapi import FastAPI, Request
from sqlalchemy import select
from starlette.types import Message, Receive, Scope, Send
from tests.databases import ENGINES, Renewable, renewable
from tests.resource.shells import SERVICE, Taken, bare, fill, resources

from stanchion import Caller, Database, tickets
from stanchion.database import changes
from stanchion.database.direct import Direct
from stanchion.pagination import listing
from stanchion.routing import plan, survey
from stanchion.security import keys
from stanchion.testing import client

pytestmark = pytest.mark.anyio

_MOMENT = re.compile(rb"\d{4}-\d\d-\d\dT[0-9:.]+Z")


def make(database: Database) -> FastAPI:
    app = bare()
    shells, tokens = resources(database)
    app.state.events = shells.events
    app.include_router(shells.router(prefix="/shells", without=["export", "import"]), prefix="/v1")
    app.include_router(tokens.router(prefix="/tokens", without=["export", "import"]))
    return app


@dataclass
class Side:
    """One of both apps, and who asks it."""

    app: FastAPI
    database: Database
    renewable: Renewable
    secrets: dict[str, str] = field(default_factory=dict)
    caller: httpx2.AsyncClient | None = None

    async def ask(self, method: str, path: str, sent: dict[str, Any]) -> tuple[Any, ...]:
        """Return all that can be seen of an answer; moments of now are no part of it."""
        assert self.caller is not None
        headers = [("X-Request-ID", "asked")]
        headers += [(name, self.secrets.get(value, value)) for name, value in sent.pop("headers", [KEY])]
        answer = await self.caller.request(method, path, headers=headers, **sent)
        body = _MOMENT.sub(b"now", answer.content)
        kept = sorted(
            (name, value) for name, value in answer.headers.multi_items() if name != "content-length"
        )
        assert int(answer.headers.get("content-length", 0)) == len(answer.content) or method == "HEAD"
        return answer.status_code, kept, body, await self.events()

    async def events(self) -> list[dict[str, Any]]:
        async with self.database.read() as session:
            found = await session.execute(select(*changes.COLUMNS).order_by(changes.events.c.id))
            told = [dict(one) for one in found.mappings()]
        return [
            {**one, "created_at": None, "data": _MOMENT.sub(b"now", str(one["data"]).encode())}
            for one in told
        ]


KEY = ("X-API-Key", "one")
JSON = ("Content-Type", "application/json")


@dataclass
class Both:
    """The app with its short ways, and the one without."""

    short: Side
    long: Side
    taken: Taken
    logged: list[MutableMapping[str, Any]]

    async def same(self, method: str, path: str, expected: str | None, **sent: Any) -> tuple[Any, ...]:
        """Ask both; fails where they do not answer alike, or the short way was not taken as is said.

        None says nothing: whether a query was understood before depends on the tests before.
        """
        answers, lines = [], []
        for side in (self.short, self.long):
            self.logged.clear()
            answers.append(await side.ask(method, path, dict(sent)))
            lines.append([_shown(line) for line in self.logged])
        told = self.taken.told()
        assert answers[0] == answers[1], (method, path, sent)
        assert lines[0] == lines[1], (method, path, sent)
        assert expected in (told, None), (method, path, sent, answers[0][:3])
        return answers[0]


def _shown(line: MutableMapping[str, Any]) -> dict[str, Any]:
    """Return a line but for the secret's own name."""
    return {name: value for name, value in line.items() if name != "prefix"}


Made = tuple[Side, Side, Taken]


@pytest.fixture(scope="module", params=ENGINES)
def made(request: pytest.FixtureRequest) -> Iterator[Made]:
    taken, sides = Taken(), []
    with (
        renewable(request, fill) as one,
        renewable(request, fill) as other,
        pytest.MonkeyPatch.context() as it,
    ):
        for which, way in ((one, taken.spied), (other, lambda _: None)):
            it.setattr(plan, "short_of", way)
            database = Database(which.url)
            app = make(database)
            assert {one.reason for one in survey(app) if one.methods & {"POST", "GET"}} >= {None}
            sides.append(Side(app, database, which))
        yield sides[0], sides[1], taken


@pytest.fixture
async def both(made: Made, logged: list[MutableMapping[str, Any]]) -> AsyncIterator[Both]:
    short, long, taken = made
    for side in (short, long):
        side.renewable.renew()
        async with side.database.transaction() as session:
            scopes: Any = ("read", "write")
            for name, user, allowed in (("one", 1, scopes), ("two", 2, scopes), ("reads", 1, scopes[:1])):
                _, side.secrets[name] = await keys.create(session, user_id=user, name=name, scopes=allowed)
            _, side.secrets["writes"] = await keys.create(session, user_id=1, name="w", scopes=scopes[1:])
            side.secrets["service"] = SERVICE
    async with (
        client(short.app, raise_app_exceptions=False) as short.caller,
        client(long.app, raise_app_exceptions=False) as long.caller,
    ):
        taken.clear()
        yield Both(short, long, taken, logged)
    for side in (short, long):
        await side.database.close()


CALLERS = [
    ([], "raised"),
    ([("X-API-Key", "none of ours")], "raised"),
    ([("X-API-Key", "")], "raised"),
    ([("Authorization", "Bearer none of ours")], "raised"),
    ([KEY, ("X-API-Key", "two")], "raised"),
    ([KEY, ("X-User-ID", "1")], "answered"),
    ([KEY, ("X-User-ID", "2")], "raised"),
    ([("X-API-Key", "service"), ("X-User-ID", "1")], "answered"),
    ([("X-API-Key", "service"), ("X-User-ID", "3")], "raised"),
    ([("X-API-Key", "service"), ("X-User-ID", "x")], "raised"),
    ([("X-API-Key", "service"), ("X-User-ID", "1"), ("X-User-ID", "1")], "raised"),
]


async def test_a_row_is_read_alike(both: Both) -> None:
    assert (await both.same("GET", "/v1/shells/1", "answered"))[0] == 200
    assert (await both.same("HEAD", "/v1/shells/1", "answered"))[0] == 200
    for path, expected in {
        "3": "raised",  # another's
        "999": "raised",
        "0": "left",
        "-1": "left",
        "9223372036854775807": "raised",
        "9223372036854775808": "left",
        "1" + 400 * "0": "left",
        "x": "left",
        "1.0": "answered",
        "1.5": "left",
        "+1": "answered",
        "%201": "answered",
        "01": "answered",
        "1_0": "answered",
        "1e0": "left",
        "%D9%A1": "left",
        "true": "left",
        "%00": "left",
        "1?embed=owner": "answered",
        "1?unknown=1": "answered",
        "1/": "",
    }.items():
        await both.same("GET", f"/v1/shells/{path}", expected)


async def test_a_row_is_read_alike_by_each_caller(both: Both) -> None:
    for headers, expected in [
        *CALLERS,
        ([("Authorization", "bearer none")], "raised"),
        ([("X-API-Key", "reads")], "answered"),
        ([("X-API-Key", "writes")], "raised"),
        ([("X-API-Key", "two")], "raised"),
        ([("X-API-Key", "service")], "raised"),
    ]:
        await both.same("GET", "/v1/shells/1", expected, headers=headers)
    await both.same("GET", "/v1/shells/x", "raised", headers=[])


async def test_if_none_match_is_read_alike(both: Both) -> None:
    for value, status in {
        '"1"': 304,
        'W/"1"': 304,
        '"2"': 200,
        '"2", "1"': 304,
        "*": 304,
        "": 200,
        ",": 200,
    }.items():
        sent = [KEY, ("If-None-Match", value)]
        assert (await both.same("GET", "/v1/shells/1", "answered", headers=sent))[0] == status, value
    for value in ("1", '"1', "nothing", "*, *"):
        for headers in ([KEY], []):  # before it is known who asks
            answer = await both.same(
                "GET", "/v1/shells/1", "raised", headers=[*headers, ("If-None-Match", value)]
            )
            assert answer[0] == 422
    assert (await both.same("GET", "/v1/shells/1", "answered", headers=[KEY, ("If-None-Match", b'"\xe4"')]))[
        0
    ] == 200
    twice = [KEY, ("If-None-Match", '"2"'), ("If-None-Match", '"1"')]
    assert (await both.same("GET", "/v1/shells/1", "answered", headers=twice))[0] == 304
    assert (await both.same("GET", "/v1/shells/999", "raised", headers=twice))[0] == 404
    await both.same("GET", "/v1/shells/x", "left", headers=twice)


async def test_what_has_no_version_knows_no_if_none_match(both: Both) -> None:
    path = f"/tokens/{UUID(int=7)}"
    for value in ('"1"', "*", "no entity tag"):
        answer = await both.same("GET", path, "answered", headers=[("If-None-Match", value)])
        assert answer[0] == 200
    await both.same("GET", path.upper().replace("TOKENS", "tokens"), "answered", headers=[])
    await both.same("GET", f"/tokens/{{{UUID(int=7)}}}", "answered", headers=[])
    await both.same("GET", f"/tokens/{UUID(int=8)}", "raised", headers=[])
    await both.same("GET", "/tokens/7", "left", headers=[])


_KNOWN = [
    "",
    "limit=2",
    "limit=200",
    "limit=02",
    "limit=2&sort=-name",
    "sort=rank,-name&limit=3",
    "sort=-rank",
    "offset=2&limit=3",
    "offset=50",
    "limit=2&limit=3",
    "sort=",
    "cursor=",
    "&&limit=2&",
]


async def test_a_page_is_read_alike(both: Both) -> None:
    for query in _KNOWN:
        for expected in (None, "answered", "answered"):
            assert (await both.same("GET", f"/v1/shells?{query}", expected))[0] == 200
        assert (await both.same("HEAD", f"/v1/shells?{query}", "answered"))[0] == 200


async def test_a_page_is_left_to_the_path_operation(both: Both) -> None:
    long = "&".join("limit=2" for _ in range(40))
    for query, status in {
        "name=": 200,
        "name__contains=1": 200,
        "count=exact": 200,
        "unknown=1": 422,
        "embed=owner": 422,
        "limit=0": 422,
        "limit=201": 422,
        "limit=x": 422,
        "offset=-1": 422,
        "sort=created_at": 422,
        "cursor=none": 422,
        "cursor=none&offset=1": 422,
        long: 200,
    }.items():
        for _ in range(2):
            assert (await both.same("GET", f"/v1/shells?{query}", "left"))[0] == status, query
    # What no row is of: it is empty, and understood.
    for expected in (None, "answered"):
        answer = await both.same("GET", "/v1/shells", expected, headers=[("X-API-Key", "service")])
        assert answer[2] == b"[]"


async def test_cursors_lead_alike_there_and_back(both: Both) -> None:
    for query in ("limit=3", "limit=3&sort=rank", "limit=3&sort=-name"):
        path, seen = f"/v1/shells?{query}", []
        for relation in ("next", "next", "prev", "prev", "first"):
            for expected in (None, "answered"):
                _, headers, body, _ = await both.same("GET", path, expected)
            seen.append(body)
            links = re.findall(r'<([^>]*)>; rel="(\w+)"', dict(headers)["link"])
            path = {name: link for link, name in links}[relation]
        assert len(set(seen)) >= 3


async def test_a_page_is_read_alike_by_each_caller(both: Both) -> None:
    await both.same("GET", "/v1/shells?limit=5", "left")
    for headers, expected in [*CALLERS, ([("X-API-Key", "two")], "answered")]:
        await both.same("GET", "/v1/shells?limit=5", expected, headers=headers)
    for headers, expected in CALLERS:  # nothing is learned of who is refused
        await both.same("GET", "/v1/shells?limit=6", "left", headers=headers)
        if expected == "answered":
            break
    await both.same("GET", "/v1/shells?limit=6", "answered")


BODY = b'{"name": "a", "rank": 1}'


async def test_a_row_is_made_alike(both: Both) -> None:
    made = await both.same("POST", "/v1/shells", "answered", content=BODY, headers=[KEY, JSON])
    assert made[0] == 201
    assert ("location", "/v1/shells/13") in made[1]
    assert [one["kind"] for one in made[3]] == ["began", "created"]
    again = await both.same("POST", "/v1/shells", "left", content=BODY, headers=[KEY, JSON])
    assert (again[0], len(again[3])) == (409, 2)
    for content, expected in {
        b"": "left",
        b" ": "",
        b"{": "",
        b"null": "left",
        b"[]": "left",
        b'"a"': "left",
        b"1": "left",
        b"{}": "left",
        b'{"name": 1}': "left",
        b'{"name": "b", "owner_id": 2}': "left",
        b'{"name": "c", "name": "d"}': "answered",
        b'\xef\xbb\xbf{"name": "bom"}': "answered",
        '{"name": "utf-16"}'.encode("utf-16"): "answered",
        b'{"name": "\xff"}': "",
        b'{"name": "\\u0000"}': "?",
        b'{"name": "\\ud800"}': "left",
        b'{"name": "forbidden"}': "raised",
        b'{"name": "e", "rank": 1.0}': "answered",
        b'{"name": "f", "rank": "1"}': "answered",
        b'{"name": "g", "rank": NaN}': "left",
        b'{"name": "h", "rank": 99999999999999999999}': "left",
        b'{"name": "i", "rank": 9223372036854775807}': "?",
        b"[" * 100_000: "",
        b'{"name": "' + b"j" * 2_000 + b'"}': "answered",
    }.items():
        if expected == "?":  # what each database holds is its own
            is_sqlite = both.short.database.engine.dialect.name == "sqlite"
            expected = "answered" if is_sqlite else "left"
        await both.same("POST", "/v1/shells", expected, content=content, headers=[KEY, JSON])


async def test_a_row_is_made_alike_of_each_content_type(both: Both) -> None:
    for number, (kind, status) in enumerate(
        {
            "application/json; charset=utf-8": 201,
            "Application/JSON": 201,
            "application/vnd.shell+json": 201,
            "text/plain": 422,
            "application/x-www-form-urlencoded": 422,
            "": 422,
        }.items()
    ):
        content = b'{"name": "%d"}' % number
        sent = [KEY, ("Content-Type", kind)]
        way = "answered" if status == 201 else "left"
        assert (await both.same("POST", "/v1/shells", way, content=content, headers=sent))[0] == status
    assert (await both.same("POST", "/v1/shells", "left", content=b'{"name": "x"}'))[0] == 422
    assert (await both.same("POST", "/v1/shells", "left"))[0] == 422
    twice = [KEY, JSON, ("Content-Type", "text/plain")]
    await both.same("POST", "/v1/shells", "answered", content=b'{"name": "y"}', headers=twice)


async def test_a_row_is_made_alike_with_a_key_of_its_own(both: Both) -> None:
    for value in ("1", "1", "", b"\xe4"):
        sent = [KEY, JSON, ("Idempotency-Key", value)]
        await both.same("POST", "/v1/shells", "left", content=BODY, headers=sent)
    other = [KEY, JSON, ("Idempotency-Key", "1"), ("Idempotency-Key", "2")]
    await both.same("POST", "/v1/shells", "left", content=BODY, headers=other)


async def test_a_row_is_made_alike_by_each_caller(both: Both) -> None:
    for number, (headers, expected) in enumerate(
        [
            *CALLERS,
            ([("X-API-Key", "reads")], "raised"),
            ([("X-API-Key", "writes")], "answered"),
            ([("X-API-Key", "service")], "answered"),
        ]
    ):
        content = b'{"name": "%d"}' % number
        await both.same("POST", "/v1/shells", expected, content=content, headers=[*headers, JSON])
        # Who asks is known before what is wrong with the body, but for what is no JSON.
        told = "raised" if expected == "raised" else "left"
        await both.same("POST", "/v1/shells", told, content=b"{}", headers=[*headers, JSON])
        await both.same("POST", "/v1/shells", "", content=b"{", headers=[*headers, JSON])


async def test_a_body_that_fails_is_asked_for_once(both: Both) -> None:
    """What comes after it is the rest of a body, and no body."""
    for side in (both.short, both.long):
        sent: list[Message] = []
        headers = [(b"content-type", b"application/json"), (b"x-api-key", side.secrets["one"].encode())]
        scope: Scope = {
            "type": "http",
            "method": "POST",
            "path": "/v1/shells",
            "query_string": b"",
            "headers": headers,
            "http_version": "1.1",
        }
        await side.app(scope, failing_once(b'{"name": "the rest"}'), into(sent))
        assert sent[0]["status"] == 400
        assert await side.events() == (await side.events())[:1]
    assert both.taken.told() == ""


def failing_once(rest: bytes) -> Receive:
    """Return what loses the beginning of a body, and then gives what follows."""
    asked = 0

    async def receive() -> Message:
        nonlocal asked
        asked += 1
        if asked == 1:
            raise RuntimeError("the beginning is lost")
        return {"type": "http.request", "body": rest, "more_body": False}

    return receive


def into(sent: list[Message]) -> Send:
    async def send(message: Message) -> None:
        sent.append(message)

    return send


async def test_of_a_page_that_is_understood_no_request_is_kept(both: Both) -> None:
    for expected in (None, "answered"):
        await both.same("GET", "/v1/shells?limit=7", expected, headers=[KEY, ("X-Told", "nobody else")])
    gc.collect()
    held = [one for one in gc.get_objects() if isinstance(one, Request)]
    assert not [one for one in held if one.headers.get("X-Told")]


async def test_more_pages_than_are_kept_are_answered(both: Both, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stanchion.resource.short._MOST", 2)
    for limit in (11, 12, 13, 14):
        for expected in ("left", "answered"):
            await both.same("GET", f"/v1/shells?limit={limit}", expected)
    await both.same("GET", "/v1/shells?limit=11", "left")


async def test_what_the_database_refuses_is_asked_in_a_session(
    both: Both, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert (await both.same("GET", "/v1/shells?limit=8", "left"))[0] == 200

    async def refused(*_: Any, **__: Any) -> None: ...

    monkeypatch.setattr(Direct, "fetch", refused)
    for path in ("/v1/shells?limit=8", "/v1/shells/1"):
        assert (await both.same("GET", path, "left"))[0] == 200


async def test_links_of_long_queries_are_not_kept(both: Both) -> None:
    """What is no part of a link may be long: nothing between many `&`."""
    answer = await both.same("GET", f"/v1/shells?{'&' * 3000}limit=9", "left")
    assert dict(answer[1])["link"].startswith("</v1/shells?limit=9>")
    assert not [name for name in listing._links if len(str(name)) > 3000]


async def test_a_page_of_a_ticket_is_the_tickets_alone(both: Both) -> None:
    connection: Any = Request({"type": "http", "app": both.short.app})
    ticket, _ = tickets.issue(connection, "/v1/shells", Caller(None, 1), timedelta(minutes=5))
    path = f"/v1/shells?limit=3&ticket={ticket}"
    for _ in range(2):
        assert (await both.same("GET", path, "left", headers=[]))[0] == 200
    # Beside a key it is a parameter like any other, that nobody knows.
    assert (await both.same("GET", path, "left"))[0] == 422
