"""The running app, as a client sees it: requests that are kept, each with what happened inside."""

import json
import re
import shlex
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx2

from stanchion.gate.belongings import Belongings, takes_away
from stanchion.gate.model import NotChecked

OUTSIDE = "what happens inside is not seen by the URL alone: name the project's folder"
_SHOWN = "http://127.0.0.1:8000"
"""The address in a curl line: where the person's own server will be."""
_HEADER = "X-Stanchion-Check"
_KEPT = "x-stanchion-kept"
_SAFE = ("GET", "HEAD", "OPTIONS")
_CHANGING = ("DELETE", "PATCH", "PUT")
_PATIENCE = 15.0
_AFTER = 1.0
"""Seconds for which an app may go on with a request after its answer."""
TOO_MANY = 429
"""The status of what is limited (RFC 6585, section 4)."""
_IDLE = 0.5
"""Seconds for which a stream is read that is known to be silent."""


@dataclass
class Exchange:
    """A request and its answer. `status` is 0 where there was none, and `failure` says why."""

    number: int
    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    status: int = 0
    response_headers: Mapping[str, str] = field(default_factory=dict)
    content: bytes = b""
    chunks: list[tuple[float, int]] = field(default_factory=list)
    """When each chunk arrived, in seconds since the request, and its size."""
    seconds: float = 0.0
    failure: str = ""
    kept: str = ""
    """What the guard kept the app from while it answered: then the answer may be the gate's doing."""
    secrets: Mapping[str, str] = field(default_factory=dict)
    """Values that are shown by a name: `{"st_...": "$API_KEY"}`."""
    left: bool = False
    """The client has gone before the end of the answer."""
    base_url: str = _SHOWN
    """The address in the curl line."""

    @property
    def json(self) -> Any:
        """Return the answer's JSON; None where it is none."""
        try:
            return json.loads(self.content)
        except ValueError:
            return None

    @property
    def sent_json(self) -> Any:
        """Return the request's JSON; None where it has none."""
        try:
            return json.loads(self.body)
        except ValueError:
            return None

    @property
    def media_type(self) -> str:
        """Return the media type of the answer, without its parameters."""
        return self.response_headers.get("content-type", "").partition(";")[0].strip().lower()

    @property
    def curl(self) -> str:
        """Return the request as a line to paste; secrets are variables of the shell."""
        words = ["curl", "-i"]
        if self.method != "GET":
            words += ["-X", self.method]
        words.append(self._quoted(self.base_url + self.path))
        for name, value in self.headers.items():
            words += ["-H", self._quoted(f"{name}: {value}")]
        if self.body:
            words += ["-d", self._quoted(self.body.decode("utf-8", "replace"))]
        return " ".join(words)

    @property
    def summary(self) -> str:
        """Return both in a few lines, for evidence."""
        answer = self._hidden(self.content.decode("utf-8", "replace"))  # before it is cut: no half is shown
        more = " ..." if len(answer) > 400 else ""
        got = f"{self.status} {answer[:400]}{more}".rstrip() if self.status else f"no answer: {self.failure}"
        sent = f" {self._hidden(self.body.decode('utf-8', 'replace'))[:200]}" if self.body else ""
        return f"{self.method} {self._hidden(self.path)}{sent}\n{got}"

    def _quoted(self, text: str) -> str:
        parts = [part for part in self._split(text) if part]
        words = [f'"{self.secrets[part]}"' if part in self.secrets else shlex.quote(part) for part in parts]
        return "".join(words) or "''"

    def _hidden(self, text: str) -> str:
        return "".join(self.secrets.get(part, part) for part in self._split(text))

    def _split(self, text: str) -> list[str]:
        """Return the text in parts, each secret one of them; of two that begin alike the longer."""
        known = sorted(filter(None, self.secrets), key=len, reverse=True)
        return re.split(f"({'|'.join(map(re.escape, known))})", text) if known else [text]


class Live:
    """Sends requests to a running app, one after the other.

    With `ask` the app is the agent's, on loopback, and what happens inside it is known. Without,
    it is known from outside alone; `may_write` says whether it may be sent more than safe methods
    (RFC 9110, section 9.2.1), and even then only what was made here is changed or deleted.
    """

    def __init__(
        self, base_url: str, ask: Callable[..., Any] | None = None, *, may_write: bool = True
    ) -> None:
        self.base_url, self.may_write, self._ask = base_url, may_write, ask
        # A connection for each: after a crash uvicorn closes one without a word.
        limits = httpx2.Limits(max_keepalive_connections=0)
        plain = {"Accept-Encoding": "identity"}  # what is read is not unpacked
        self._client = httpx2.Client(timeout=_PATIENCE, follow_redirects=False, limits=limits, headers=plain)
        self._number = 0
        self._belongings = Belongings()
        self._idle: set[tuple[str, str]] = set()
        """Streams that were silent for as long as they were read."""
        self.asked: list[tuple[str, str, int]] = []
        """Method, path and status of all that was sent."""
        self.secrets: dict[str, str] = {}

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def send(
        self,
        method: str,
        path: str,
        *,
        json_body: Any = None,
        content: bytes = b"",
        headers: Mapping[str, str] | None = None,
        read_for: float = _PATIENCE,
    ) -> Exchange:
        """Send a request and read its answer, of a stream without an end for `read_for` seconds.

        Raises NotChecked where it would write and may not.
        """
        if why := self._why_not(method, path):
            raise NotChecked(why)
        own = dict(headers or {})
        if json_body is not None:
            content = json.dumps(json_body).encode()
            own.setdefault("Content-Type", "application/json")
        self._number += 1
        made = Exchange(self._number, method, path, own, content, secrets=self.secrets)
        if self._ask is None:
            made.base_url = self.base_url
        self._receive(made, read_for)
        self.asked.append((method, path, made.status))
        if self.is_outside and 200 <= made.status < 300:
            self._remember(made)
        return made

    @property
    def is_outside(self) -> bool:
        """Tell whether it is a backend of somebody's, and no copy."""
        return self._ask is None

    def may_send(self, method: str, path: str) -> bool:
        """Tell whether `send` would send this: in a copy anything, elsewhere nothing that takes away."""
        return not self._why_not(method, path)

    def _why_not(self, method: str, path: str) -> str:
        if not self.may_write and method not in _SAFE:
            return (
                f"it sends {method}, and {self.base_url} is not this machine: if it is yours to write to, "
                "say --i-own-this-target"
            )
        if not self.is_outside:
            return ""
        if method in _CHANGING and not self._belongings.has(path):
            return f"{method} {path} was not sent: from outside, only what the gate has made is changed"
        if method == "POST" and takes_away(path):
            return f"POST {path} was not sent: by its name it takes something away"
        return ""

    def _remember(self, made: Exchange) -> None:
        if made.method == "POST":
            location = made.response_headers.get("location", "")
            self._belongings.add(made.path, made.body, made.json, location)
        elif made.method == "DELETE":
            self._belongings.discard(made.path)

    def _receive(self, made: Exchange, read_for: float) -> None:
        number = {} if self._ask is None else {_HEADER: str(made.number)}
        started = time.perf_counter()
        received = bytearray()
        try:
            with self._client.stream(
                made.method,
                self.base_url + made.path,
                content=made.body or None,
                headers={**made.headers, **number},
            ) as response:
                made.status = response.status_code
                made.response_headers = {name.lower(): value for name, value in response.headers.items()}
                made.kept = made.response_headers.pop(_KEPT, "") if self._ask else ""
                # A stream that says nothing is not waited for longer than one that goes on.
                brief = _IDLE if (made.method, made.path) in self._idle else read_for
                response.request.extensions["timeout"]["read"] = brief
                for chunk in response.iter_raw():
                    received += chunk
                    made.chunks.append((time.perf_counter() - started, len(chunk)))
                    if made.chunks[-1][0] > brief:
                        made.left = True
                        break
        except httpx2.HTTPError as exc:
            if made.status and isinstance(exc, httpx2.ReadTimeout):
                self._idle.add((made.method, made.path))
                made.left = True
            else:
                made.failure = f"{type(exc).__name__}: {exc}"
        made.content, made.seconds = bytes(received), time.perf_counter() - started

    def inside(self, *exchanges: Exchange, patience: float | None = None) -> list[dict[str, Any]]:
        """Return what the agent recorded of each; empty where the request never arrived.

        It is waited until the app is done with each: for a second, with what was read to its end, or for
        `patience` seconds, with streams that were left, too. Raises NotChecked where only the outside is
        known.
        """
        numbers = [one.number for one in exchanges]
        waited = [one.number for one in exchanges if not one.left or patience is not None]
        patience = _AFTER if patience is None else patience
        found = self._agent("records", numbers=numbers, waited=waited, patience=patience)
        return [record or {} for record in found]

    def ended(self, exchange: Exchange, patience: float) -> bool:
        """Wait until the app is done with a request, for so many seconds; tell whether it is.

        Raises NotChecked where only the outside is known.
        """
        return bool(self._agent("ended", number=exchange.number, patience=patience))

    def pool(self) -> dict[str, int]:
        """Return `connects`, the database connections opened in all, and `out`, those not given back.

        Raises NotChecked where only the outside is known.
        """
        counted: dict[str, int] = self._agent("pool")
        return counted

    def heap(self) -> dict[str, int]:
        """Return how many objects are `frozen` (gc.freeze), and how many `objects` the collector looks at.

        Raises NotChecked where only the outside is known.
        """
        counted: dict[str, int] = self._agent("heap")
        return counted

    def expire(self, secret: str, marks: Iterable[str], named: str) -> list[str]:
        """Set the expiry of the row that keeps this key to the past, and return the tables of such rows.

        `marks` are other values that tell it; `named` is how such a table's name ends, a regular
        expression. Raises NotChecked where only the outside is known.
        """
        tables: list[str] = self._agent("expire", secret=secret, marks=list(marks), named=named)
        return tables

    def unexpire(self) -> None:
        """Put back what `expire` has changed."""
        self._agent("unexpire")

    @contextmanager
    def overridden(self, method: str, path: str) -> Iterator[tuple[list[str], dict[str, Any]]]:
        """Have every dependency of a route overridden: give their names, and a dict that tells afterwards.

        Of the agent's `overriding.restore`. Raises NotChecked where only the outside is known.
        """
        names, seen = self._agent("override", method=method, path=path), dict[str, Any]()
        try:
            yield names, seen
        finally:
            seen.update(self._agent("restore"))

    def engines(self) -> list[str]:
        """Return the URLs of the app's engines, without passwords; of SQLAlchemy alone.

        Raises NotChecked where only the outside is known.
        """
        urls: list[str] = self._agent("engine_urls")
        return urls

    def _agent(self, command: str, **arguments: Any) -> Any:
        if self._ask is None:
            raise NotChecked(OUTSIDE)
        return self._ask(command, **arguments)
