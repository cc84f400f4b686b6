"""Optimistic concurrency: ETag, If-None-Match and If-Match (RFC 9110, sections 8.8.3 and 13)."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Header, Request
from sqlalchemy import BigInteger, ColumnElement, false, type_coerce
from sqlalchemy.orm import Mapped

from stanchion.errors import InvalidError, PreconditionFailedError
from stanchion.exchange import values_of
from stanchion.signature import of_request_alone

_ENTITY_TAG = re.compile(r'[\s,]*((?:W/)?"[\x21\x23-\x7e\x80-\xff]*")\s*(?:,|$)')
_VERSION = re.compile(r'"(0|[1-9]\d{0,17})"')
_DOCUMENTED = {"pattern": r'^(\*|(W/)?"[!#-~]*")?$'}
"""For the document alone: FastAPI's own check would know nothing of a header that is repeated.
No example: /docs would send it, and each change tried there would be a 412."""


def etag(version: int) -> str:
    """Return the strong entity tag of a row's version."""
    return f'"{version}"'


@dataclass(frozen=True, slots=True)
class Precondition:
    """The entity tags of an If-Match or If-None-Match; `tags` is None where none was sent.

    `unless` are those of the If-None-Match of a write, whose `tags` are its If-Match: it goes ahead only
    where the row has none of them.
    """

    tags: frozenset[str] | None
    unless: frozenset[str] | None = None

    def holds(self, tag: str) -> bool:
        """Tell whether `tag` is among them, by the weak comparison of RFC 9110, 13.1.2."""
        return _has(self.tags, tag)

    def where(self, version: ColumnElement[int] | Mapped[int]) -> list[ColumnElement[bool]]:
        """Return the conditions of the versions that a write may change.

        They go into the WHERE of the UPDATE or DELETE itself: of two that read the same version, one writes.
        """
        # As 64 bits: PostgreSQL refuses to look for a larger number in a column of 32, which only has none.
        wide = type_coerce(version, BigInteger())
        conditions: list[ColumnElement[bool]] = []
        if self.tags is not None and "*" not in self.tags:
            conditions.append(wide.in_(_versions(self.tags)))
        if self.unless is not None:
            others = _versions(one.removeprefix("W/") for one in self.unless)
            conditions.append(false() if "*" in self.unless else wide.not_in(others))
        return conditions

    def require(self, tag: str) -> None:
        """Raise PreconditionFailedError (412) where a write of what has this tag may not go ahead.

        If-Match compares strongly, If-None-Match weakly. Call it with the row locked, so that nothing
        changes before the write (RFC 9110, 13.1.1 and 13.1.2).
        """
        matched = self.tags is None or "*" in self.tags or tag in self.tags
        if not matched or _has(self.unless, tag):
            raise PreconditionFailedError


def _has(tags: frozenset[str] | None, tag: str) -> bool:
    return tags is not None and ("*" in tags or tag in {one.removeprefix("W/") for one in tags})


def _versions(tags: Iterable[str]) -> list[int]:
    """Return the versions that tags stand for; none of ours is any other text."""
    return sorted(int(found[1]) for tag in tags if (found := _VERSION.fullmatch(tag)))


@of_request_alone
async def _if_match(
    request: Request,
    _if_match: Annotated[
        str | None,
        Header(
            alias="If-Match",
            description="Change only this version: the ETag that you read.",
            json_schema_extra=_DOCUMENTED,
        ),
    ] = None,
) -> Precondition:
    unless = None if request.method in ("GET", "HEAD") else _read(request, "If-None-Match")
    return Precondition(_read(request, "If-Match"), unless)


@of_request_alone
async def _if_none_match(
    request: Request,
    _if_none_match: Annotated[
        str | None,
        Header(
            alias="If-None-Match",
            description="Answer 304 while this ETag is current.",
            json_schema_extra=_DOCUMENTED,
        ),
    ] = None,
) -> Precondition:
    """Read If-None-Match: a dependency."""
    return Precondition(_read(request, "If-None-Match"))


IfMatch = Annotated[Precondition, Depends(_if_match)]
"""The request's If-Match, and a write's If-None-Match: `match.require(etag(row.version))` before it."""
IfNoneMatch = Annotated[Precondition, Depends(_if_none_match)]
"""The request's If-None-Match: answer 304 where `match.holds(etag(row.version))`."""


def _read(request: Request, name: str) -> frozenset[str] | None:
    """Read a header of entity tags, also a repeated one; None where there is none.

    Raises InvalidError for text that is none.
    """
    values = values_of(request, name.lower().encode())
    if not values:
        return None
    text = ", ".join(values).strip(" \t,")  # RFC 9110, 5.6.1: empty elements, and lists, are fine
    if text == "*":
        return frozenset({"*"})
    tags: set[str] = set()
    position = 0
    while position < len(text):
        found = _ENTITY_TAG.match(text, position)
        if found is None:
            raise InvalidError(
                f'{name} is not an entity tag: send it as it came in ETag, like "3".',
                loc=("header", name),
                type="entity_tag",
            )
        tags.add(found[1])
        position = found.end()
    return frozenset(tags)
