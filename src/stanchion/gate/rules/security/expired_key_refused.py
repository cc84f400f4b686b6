"""
# S11: an expired or revoked key is refused

## What it does
Takes a key that opens a protected operation, ends it, and asks again, in each of three ways that the app
offers. Where keys can be deleted by their id, it makes one and deletes it. Where the key is a JSON Web Token
whose secret is in the environment or the source, it signs the same claims again with an `exp` of an hour ago;
and it sends the claims with `alg: none` and no signature. Where a table of the copy's database holds the
key's row, named like keys, tokens or sessions and read by the request, it sets the row's expiry to two days
ago, and puts it back. A key that was kept in memory for a moment has five seconds to be forgotten.

Not judged are tokens that live for 15 minutes at most, when they are deleted: that they end by themselves is
a choice. Nor is signing out, nor a row whose key cannot be told (a digest with a secret of its own).

## Why it is bad
A key is deleted because somebody has it who should not. If it still opens, nothing that one can do ends it.

## Example
```python
key = await session.scalar(select(ApiKey).where(ApiKey.digest == digest(x_api_key)))
if key is None:  # expires_at and revoked_at are columns that nobody reads
    raise HTTPException(401)
```

## Use instead
```python
if key is None or key.revoked_at or (key.expires_at and key.expires_at < now()):
    raise HTTPException(401)
```
"""

import ast
import re
import time
from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from stanchion.gate.evidence import seen
from stanchion.gate.journey import Resource
from stanchion.gate.live import Exchange
from stanchion.gate.model import Finding, Kind, Line, NotChecked, Severity, rule
from stanchion.gate.running import Running
from stanchion.gate.sign_in import Identity, header, nonsense, schemes
from stanchion.gate.subject import Operation, Subject
from stanchion.gate.tokens import Token, token_in

_KEYS = re.compile(r"(keys?|tokens?|sessions?|credentials?)$", re.IGNORECASE)
_SECRET = re.compile(r"(key|token|secret|jwt|value|session|plain_?text)$", re.IGNORECASE)
_SHORT_LIVED = 15 * 60
_PATIENCE = 5.0
_HOUR = 3600
_Judged = Generator[Finding, None, str]
"""Findings, and at the end why there was nothing to look at; nothing where there was."""


@dataclass(frozen=True)
class _Door:
    """A protected operation that refuses whoever has no key."""

    subject: Subject
    operation: Operation
    path: str

    def ask(self, headers: Mapping[str, str]) -> Exchange:
        """Ask it with these headers."""
        live = self.subject.running.live
        return live.send("GET", self.path, headers=headers, read_for=1)

    def opens(self, headers: Mapping[str, str]) -> bool:
        """Tell whether they open it."""
        return 200 <= self.ask(headers).status < 300

    def still_opens(self, headers: Mapping[str, str]) -> Exchange | None:
        """Return the last of the answers where they open it for all of five seconds."""
        until = time.monotonic() + _PATIENCE
        while True:
            exchange = self.ask(headers)
            if not 200 <= exchange.status < 300:
                return None
            if time.monotonic() > until:
                return exchange
            time.sleep(0.5)

    def finding(self, exchange: Exchange, message: str, figure: str, advice: str) -> Finding:
        """Return what was seen at it."""
        return seen(self.subject, self.operation, exchange, message=message, figure=figure, advice=advice)


@rule(
    "S11",
    "An expired or revoked key is refused",
    severity=Severity.critical,
    kind=Kind.instrumented,
    line=Line.keys,
)
def expired_key_refused(subject: Subject) -> Iterator[Finding]:
    """End a key in each way that there is, and ask with it again."""
    running = subject.running
    who = running.who
    if who is None:
        raise NotChecked("no operation declares security", applies=False)
    door = _door(subject, who)
    somebody = _somebody(running, who)
    whys = []
    for judged in (_deleted(door, somebody), _forged(door, who), _expired(door, somebody)):
        whys.append((yield from judged))
    if all(whys):
        raise NotChecked("; ".join(whys))


def _door(subject: Subject, who: Identity) -> _Door:
    """Return a door that takes the key and no other. Raises NotChecked where there is none."""
    others: tuple[Mapping[str, str], ...] = ({}, nonsense(who.headers))
    doors = [
        _Door(subject, one, subject.running.journey.path(one))
        for one in subject.document.operations
        if one.method == "GET" and "{" not in one.path and any(subject.document.security(one))
    ]
    for door in sorted(doors, key=lambda one: bool(_KEYS.search(one.operation.path.rstrip("/")))):
        if all(door.ask(one).status in (401, 403) for one in others) and door.opens(who.headers):
            return door
    raise NotChecked("no GET without an id takes the key and refuses others")


def _somebody(running: Running, who: Identity) -> Identity:
    """Return a user whose key nobody else needs, where there is one."""
    try:
        return running.users[1]
    except NotChecked:
        return who


def _secret(identity: Identity) -> str:
    """Return the key itself of an identity's headers."""
    value = next(iter(identity.headers.values()), "")
    name = next(iter(identity.headers), "")
    return value.partition("=")[2] if name == "Cookie" else value.removeprefix("Bearer ")


def _with(identity: Identity, secret: str) -> dict[str, str]:
    """Return the headers of an identity with another key in them."""
    return {name: value.replace(_secret(identity), secret) for name, value in identity.headers.items()}


def _deleted(door: _Door, somebody: Identity) -> _Judged:
    """Make a key, delete it, and ask with it."""
    running = door.subject.running
    found = [one for one in running.journey.resources if _KEYS.search(one.name) and one.delete and one.create]
    why = "no operation deletes a key by its id"
    for resource in found:
        why = "no key could be made and deleted"
        first, made = (_made(door, resource, somebody) for _ in range(2))
        if first is None or made is None or first[1] == made[1]:  # an id that both have is not the key's
            continue
        headers, item_id = made
        token = token_in(" ".join(headers.values()))
        if token is not None and (token.lifetime or _HOUR) <= _SHORT_LIVED:
            why = "what can be deleted are tokens that soon end by themselves"
            continue
        for owner in (somebody.headers, headers):
            deleted = running.live.send("DELETE", resource.item(item_id), headers=owner)
            if deleted.status in (200, 204):
                break
        else:
            continue
        why = ""
        if (exchange := door.still_opens(headers)) is not None:
            yield door.finding(
                exchange,
                "A deleted key still opens it.",
                f"taken, then {deleted.summary}, and for {_PATIENCE:g} seconds after",
                "Look the key up at each request, and leave deleted and revoked ones out.",
            )
    return why


def _made(door: _Door, resource: Resource, somebody: Identity) -> tuple[dict[str, str], Any] | None:
    """Make a key that opens the door, and return its headers and its id."""
    running = door.subject.running
    body = running.journey.body(resource.create)
    if isinstance(body, dict):
        body |= {name: value for name, value in somebody.credentials.items() if name in body}
    answer = running.live.send("POST", resource.path, json_body=body, headers=somebody.headers)
    if answer.status not in (200, 201) or not isinstance(answer.json, dict):
        return None
    for secret, item_id in _shown(answer.json, resource.parameter):
        running.live.secrets[secret] = "$DELETED_KEY"
        for scheme in schemes(running.document).values():
            headers = header(scheme, secret)
            if door.opens(headers):
                return headers, item_id
        del running.live.secrets[secret]
    return None


def _shown(body: Mapping[str, Any], parameter: str) -> Iterator[tuple[str, Any]]:
    """Give what may be the key in an answer, each with the id beside it, or of the key beside it."""
    inner = [value for name, value in body.items() if isinstance(value, dict) and _SECRET.search(name)]
    for one in (body, *inner):
        beside = (one, *inner) if one is body else (one,)
        ids = [part[name] for part in beside for name in ("id", parameter, "uuid", "_id") if part.get(name)]
        for name, value in one.items():
            if ids and isinstance(value, str) and len(value) >= 16 and _SECRET.search(name):
                yield value, ids[0]


def _forged(door: _Door, who: Identity) -> _Judged:
    """Sign the claims of a token again, as expired, and not at all."""
    token = token_in(_secret(who))
    if token is None:
        return "the key is no JSON Web Token"
    live = door.subject.running.live
    unsigned = token.unsigned()
    live.secrets[unsigned] = "$UNSIGNED_TOKEN"
    exchange = door.ask(_with(who, unsigned))
    if 200 <= exchange.status < 300:
        yield door.finding(
            exchange,
            "A token that nobody signed opens it.",
            "the same claims, with alg: none and an empty signature",
            'Name the algorithms that are taken: jwt.decode(token, secret, algorithms=["HS256"]).',
        )
        return ""
    if token.expiry is None:
        return "its token has no exp"
    secret = token.secret(_candidates(door.subject))
    if secret is None:
        return "the secret of its token is neither in the environment nor in the source"
    if not door.opens(_with(who, _signed(door, token, secret, "$SIGNED_AGAIN"))):
        return "its token is not taken when it is signed again"
    ago = time.time() - token.expiry - _HOUR
    begins = {name: token.claims.get(name) for name in ("iat", "nbf")}
    moved = {name: int(at + ago) for name, at in begins.items() if isinstance(at, int | float)}
    expired = _signed(door, token, secret, "$EXPIRED_TOKEN", **moved, exp=int(token.expiry + ago))
    exchange = door.ask(_with(who, expired))
    if 200 <= exchange.status < 300:
        yield door.finding(
            exchange,
            "A token that expired an hour ago still opens it.",
            "the same claims, signed with the same secret, with an exp of an hour ago",
            "Let the library check exp, and do not switch that off (verify_exp).",
        )
    return ""


def _signed(door: _Door, token: Token, secret: str, name: str, **claims: Any) -> str:
    made = token.signed(secret, **claims)
    door.subject.running.live.secrets.setdefault(made, name)
    return made


def _candidates(subject: Subject) -> Iterator[str]:
    """Give what may be the secret: the values of the environment, and the texts in the source."""
    yield from filter(None, subject.running.environment.values())
    for module in subject.code if subject.source else ():
        for node in module.walk():
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and 0 < len(node.value) <= 1024:
                yield node.value


def _expired(door: _Door, somebody: Identity) -> _Judged:
    """Let the row of a key expire, and ask with it; the request must be seen to read the row's table."""
    live, secret = door.subject.running.live, _secret(somebody)
    if not door.opens(somebody.headers):
        return "the second user's key does not open what the first's does"
    token = token_in(secret)
    marks = (
        [str(token.claims[one]) for one in ("jti", "sid", "session_id") if one in token.claims]
        if token
        else []
    )
    try:
        tables = live.expire(secret, [one for one in marks if len(one) >= 8], _KEYS.pattern)
        if not tables:
            return "no table with an expiry was found to hold the key"
        exchange = door.still_opens(somebody.headers)
    except NotChecked as exc:
        return exc.reason
    finally:
        _put_back(door)
    if exchange is None:
        return ""
    (inside,) = live.inside(exchange)
    read = [one["sql"] for one in inside.get("statements", ()) if _reads(one["sql"], tables)]
    if not read:
        return f"a request does not read {tables[0]}, where the key's expiry is"
    yield door.finding(
        exchange,
        "A key that expired two days ago still opens it.",
        f"the expiry of its row in {tables[0]} was set back, and the request read that: {read[0][:200]}",
        "Compare the expiry with the time now wherever a key is looked up.",
    )
    return ""


def _put_back(door: _Door) -> None:
    try:
        door.subject.running.live.unexpire()
    except NotChecked:
        return  # from outside nothing was changed


def _reads(sql: str, tables: list[str]) -> bool:
    names = "|".join(map(re.escape, tables))
    return (
        re.search(rf"\bSELECT\b.*\b(FROM|JOIN)\s+\W?(\w+\W{{1,3}})?({names})\b", sql, re.S | re.I) is not None
    )
