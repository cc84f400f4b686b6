"""What was sent: the key, whose it is and for what, and what came with it."""

import hashlib
import json
import re

from fastapi import Request
from starlette.datastructures import UploadFile

from stanchion.caller import Caller
from stanchion.idempotency.errors import HEADER, KeyInvalidError

_KEY = re.compile(r"[!-~]{1,255}", re.ASCII)
_CHUNK = 64 * 1024
"""Bytes of an uploaded file that are read at a time."""


def key(request: Request) -> str | None:
    """Return the request's key, None where there is none. Raises KeyInvalidError (422)."""
    sent = request.headers.getlist(HEADER)
    if not sent:
        return None
    if len(sent) > 1 or not _KEY.fullmatch(sent[0]):
        raise KeyInvalidError
    return sent[0]


def scope(request: Request, caller: Caller, key: str) -> str:
    """Return what a key is unique in, as SHA-256 in hex: the caller's requests to one method and path."""
    parts = [caller.key_id, caller.user_id, request.method, request.scope["path"], key]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


async def fingerprint(request: Request) -> str:
    """Return what tells one request with a key from another, as SHA-256 in hex: query and body.

    A form counts by its fields: the boundary between them differs each time it is sent.
    """
    query: bytes = request.scope["query_string"]
    try:
        body = await request.body()
    except RuntimeError:  # FastAPI has read it as a form
        body = await _form(request)
    return hashlib.sha256(b"%d:%b%b" % (len(query), query, body)).hexdigest()


async def _form(request: Request) -> bytes:
    fields: list[list[str | None]] = []
    for name, value in (await request.form()).multi_items():
        if isinstance(value, UploadFile):
            fields.append([name, value.filename, value.content_type, await _file(value)])
        else:
            fields.append([name, value])
    return json.dumps(fields).encode()


async def _file(file: UploadFile) -> str:
    digest = hashlib.sha256()
    while chunk := await file.read(_CHUNK):
        digest.update(chunk)
    await file.seek(0)
    return digest.hexdigest()
