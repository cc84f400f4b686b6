"""KeyGuard: the dependency that says who is asking, or refuses."""

import hmac
import re
from collections.abc import Collection, Sequence
from functools import lru_cache, partial
from typing import Annotated, Any, NoReturn

import structlog
from fastapi import Header, Request, Security
from fastapi.security import APIKeyHeader, HTTPAuthorizationCredentials, HTTPBearer
from pydantic import SecretStr
from sqlalchemy import ColumnElement, exists, or_, select

from stanchion.caller import Caller
from stanchion.database import Database
from stanchion.errors import DomainError, ForbiddenError, InvalidError, UnauthorizedError
from stanchion.exchange import those_of
from stanchion.security.cache import Cache
from stanchion.security.keys import ApiKey, active_ids, api_keys, digest, find, prefix
from stanchion.signature import of_request_alone
from stanchion.tickets import TicketError, bearer, is_reading

Sent = Sequence[tuple[bytes, str]]

_HEADERS = frozenset({b"x-api-key", b"authorization", b"x-user-id"})
_READING = frozenset({"GET", "HEAD", "OPTIONS"})
_USER_ID = re.compile(r"[1-9][0-9]{0,18}", re.ASCII)
_LARGEST_ID = 2**63 - 1
_caller = lru_cache(maxsize=1024)(Caller)
"""Makes a Caller, which nobody can change, once."""

_header_scheme = APIKeyHeader(
    name="X-API-Key", scheme_name="ApiKey", auto_error=False, description="An API key, or the service key."
)
_bearer_scheme = HTTPBearer(
    scheme_name="Bearer", auto_error=False, description="The same key as a bearer token."
)

log = structlog.stdlib.get_logger("stanchion.security")


class KeyGuard:
    """Finds the caller of a request by its API key: use an instance as a dependency.

    The key comes as `X-API-Key` or as a bearer token. A user's key acts as that user. The
    service key (`service_key`, or a stored key without a user) acts for the user that
    `X-User-ID` names, and without one for the service itself. `users` is the id column of
    the app's own user table: a key whose user is gone opens nothing. `hint` is added to a
    401 for the developer's eyes. A ticket in the URL stands for a key where it was issued for the
    path, and where no key was sent (`stanchion.tickets`).

    A key that was found is not looked up again for `cache` seconds, nor a user whom `X-User-ID` named: for so
    long another process may still let in a key that is revoked, or a user who is gone. What `revoke` ends
    this process refuses at once, and also what the app's own code ends with `on_commit(session, forget)`; an
    expiry counts to the moment. 0 looks each time.

    Raises UnauthorizedError (401) for no key, an unknown, expired or revoked one, or two
    that differ; ForbiddenError (403) for a user's key that names somebody else, or a key
    without the scope: `read` for GET and HEAD, and for what `stanchion.tickets.reads` stands
    before, such as asking for a ticket; `write` for the rest; InvalidError (422) for an
    `X-User-ID` that is empty, repeated, no id, or nobody's.
    """

    def __init__(
        self,
        database: Database,
        *,
        service_key: SecretStr | None = None,
        users: ColumnElement[int] | Any | None = None,
        hint: str = "",
        cache: float = 2.0,
    ) -> None:
        self._database = database
        self._service_digest = digest(service_key.get_secret_value()) if service_key else None
        self._users = users
        self._hint = f" {hint}" if hint else ""
        self._keys, self._user_ids = Cache[ApiKey](cache), Cache[int](cache)
        self._user_is_there = () if users is None else (_no_user_or_exists(users),)

    @of_request_alone
    async def __call__(
        self,
        request: Request,
        _header: Annotated[str | None, Security(_header_scheme)] = None,
        _bearer: Annotated[HTTPAuthorizationCredentials | None, Security(_bearer_scheme)] = None,
        _user_id: Annotated[
            str | None,
            Header(
                alias="X-User-ID",
                description="With the service key, the user to act for; with a user's, that user or nobody.",
                # Only for the document: FastAPI's own check would answer before the key is looked at.
                # No example: /docs would send it, and there may be no such user.
                json_schema_extra={"pattern": "^[1-9][0-9]{0,18}$"},
            ),
        ] = None,
    ) -> Caller:
        """Return who is asking. The parameters are for the OpenAPI document: repeats matter here."""
        sent = those_of(request, _HEADERS)
        credential = self._credential(sent)
        if credential is None:
            return await self._of_ticket(request)
        digested = digest(credential)
        if self._service_digest and hmac.compare_digest(digested, self._service_digest):
            return await self._service(None, _named_user(sent))
        key = await self._stored(credential, digested)
        named = _named_user(sent)
        scope = "read" if request.scope["method"] in _READING or is_reading(request) else "write"
        if scope not in key.scopes:
            _refuse(ForbiddenError(f"This key may not {scope}.", "scope_missing"), prefix=key.prefix)
        if key.user_id is None:
            return await self._service(key.id, named)
        if named not in (None, key.user_id):
            _refuse(ForbiddenError("This key acts for another user.", "other_user"), prefix=key.prefix)
        return _caller(key.id, key.user_id)

    async def active(self, callers: Collection[Caller]) -> set[Caller]:
        """Return those whose key is still good and whose user is there: two statements, however many.

        For what outlives its request, such as a stream.
        """
        async with self._database.read() as session:
            keys = await active_ids(session, {one.key_id for one in callers if one.key_id is not None})
            users = {one.user_id for one in callers if one.user_id is not None}
            if self._users is not None and users:
                users &= set(await session.scalars(select(self._users).where(self._users.in_(users))))
        return {one for one in callers if one.key_id in {None, *keys} and one.user_id in {None, *users}}

    async def _of_ticket(self, request: Request) -> Caller:
        try:
            caller = bearer(request)
        except TicketError as exc:
            _refuse(exc)
        if caller is None:
            self._unauthorized("An API key is needed: send it as X-API-Key.", "key_missing")
        if caller not in await self.active({caller}):
            self._unauthorized("This API key is not valid.", "key_not_valid")
        return caller

    def _credential(self, sent: Sent) -> str | None:
        keys = set()
        for name, value in sent:
            if name == b"x-api-key":
                keys.add(value)
            elif name == b"authorization":
                scheme, _, token = value.partition(" ")
                if scheme.lower() == "bearer":
                    keys.add(token.strip())
        if not keys - {""}:
            return None
        if len(keys) > 1:
            self._unauthorized("More than one key was sent, and they differ.", "keys_differ")
        return keys.pop()

    async def _stored(self, credential: str, digested: str) -> ApiKey:
        # Mostly it is known: then no coroutine is made to say so.
        key = self._keys.known(digested) or await self._keys.get(digested, partial(self._find, credential))
        if key is None or not key.is_active:
            self._unauthorized("This API key is not valid.", "key_not_valid", prefix=prefix(credential))
        return key

    async def _find(self, credential: str) -> ApiKey | None:
        async with self._database.read() as session:
            found = await find(session, credential, *self._user_is_there)
        key, user_is_there = found or (None, False)
        return key if user_is_there else None

    async def _service(self, key_id: int | None, user_id: int | None) -> Caller:
        if user_id is not None and not await self._user_ids.get(user_id, partial(self._user, user_id)):
            raise _invalid("There is no such user.", "user_not_found")
        return _caller(key_id, user_id)

    async def _user(self, user_id: int) -> int | None:
        if self._users is None:
            return None
        async with self._database.read() as session:
            statement = select(exists().where(self._users == user_id))
            return user_id if (await session.execute(statement)).scalar_one() else None

    def _unauthorized(self, message: str, code: str, **details: str) -> NoReturn:
        _refuse(UnauthorizedError(message + self._hint, code), **details)


def _named_user(sent: Sent) -> int | None:
    values = [value for name, value in sent if name == b"x-user-id"]
    if not values:
        return None
    if len(values) > 1:
        raise _invalid("X-User-ID was sent more than once.", "repeated")
    if not _USER_ID.fullmatch(values[0]) or int(values[0]) > _LARGEST_ID:
        raise _invalid("X-User-ID is not the id of a user.", "int_parsing")
    return int(values[0])


def _invalid(message: str, type: str) -> InvalidError:
    return InvalidError(message, loc=("header", "X-User-ID"), type=type)


def _no_user_or_exists(users: Any) -> ColumnElement[bool]:
    return or_(api_keys.c.user_id.is_(None), exists().where(users == api_keys.c.user_id))


def _refuse(error: DomainError, **details: str) -> NoReturn:
    log.warning("refused", status=error.status, reason=error.code, **details)
    raise error
