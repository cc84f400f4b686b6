"""Optimistic concurrency: ETag, If-None-Match and If-Match (RFC 9110, sections 8.8.3 and 13)."""

import re
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Header, Request

from stanchion.errors import InvalidError, PreconditionFailedError

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
    """The entity tags of an If-Match or If-None-Match; `tags` is None where none was sent."""

    tags: frozenset[str] | None

    def holds(self, tag: str) -> bool:
        """Tell whether `tag` is among them, by the weak comparison of RFC 9110, 13.1.2."""
        return self.tags is not None and (
            "*" in self.tags or tag in {sent.removeprefix("W/") for sent in self.tags}
        )

    @property
    def versions(self) -> list[int] | None:
        """Return the versions that a write may change, compared strongly; None where it may change any.

        They go into the WHERE of the UPDATE or DELETE itself: of two that read the same version, one writes.
        """
        if self.tags is None or "*" in self.tags:
            return None
        return sorted(int(found[1]) for tag in self.tags if (found := _VERSION.fullmatch(tag)))

    def require(self, tag: str) -> None:
        """Raise PreconditionFailedError (412) where tags were sent and none is `tag`, compared strongly.

        Call it with the row locked, so that nothing changes before the write (RFC 9110, 13.1.1).
        """
        if self.tags is not None and "*" not in self.tags and tag not in self.tags:
            raise PreconditionFailedError


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
    return _read(request, "If-Match")


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
    return _read(request, "If-None-Match")


IfMatch = Annotated[Precondition, Depends(_if_match)]
"""The request's If-Match: `match.require(etag(row.version))` before the write."""
IfNoneMatch = Annotated[Precondition, Depends(_if_none_match)]
"""The request's If-None-Match: answer 304 where `match.holds(etag(row.version))`."""


def _read(request: Request, name: str) -> Precondition:
    """Read a header of entity tags, also a repeated one. Raises InvalidError for text that is none."""
    values = request.headers.getlist(name)
    if not values:
        return Precondition(None)
    text = ", ".join(values).strip(" \t,")  # RFC 9110, 5.6.1: empty elements, and lists, are fine
    if text == "*":
        return Precondition(frozenset({"*"}))
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
    return Precondition(frozenset(tags))
