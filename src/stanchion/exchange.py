"""One request and its response, as all middlewares of ours see it: each adds to what is sent once."""

from collections.abc import Awaitable, Callable, Collection
from operator import itemgetter
from weakref import ref

from starlette.requests import Request
from starlette.types import Message, Scope, Send

Headers = list[tuple[bytes, bytes]]
"""As ASGI has them: names in small letters."""
Shape = Callable[["Exchange", Headers], None]
"""Changes the headers of a response that begins."""

_NAME = itemgetter(0)
_EXCHANGE = "stanchion.exchange"


class Exchange:
    """What was asked and what has been sent by now.

    A middleware that has something to say of a response adds to `shapes`, in place of a `send` of its own:
    then a message is handed through one of these, however many there are.
    """

    __slots__ = ("__weakref__", "_send", "asked", "has_ended", "inner", "shapes", "status")

    def __init__(self, scope: Scope, send: Send) -> None:
        self._send = send
        self.asked = frozenset(map(_NAME, scope["headers"]))
        """The names of the request's headers as they were here; who stands further in may change them."""
        self.inner: Send | None = None
        """What hands each message to `send` as it came: a middleware's own, which only looks at it."""
        self.status = 0
        """The response's, from its beginning."""
        self.has_ended = False
        """Whether the last of its body was sent."""
        self.shapes: list[Shape] = []
        """What is done when it begins; the last that was added, which is the innermost, first."""

    @classmethod
    def of(cls, scope: Scope, send: Send) -> "tuple[Exchange, Send]":
        """Return the exchange of an HTTP request, and what sends its messages from here on.

        It is another one where somebody stands before what the first sends by, or has asked once more:
        what is sent here may not be what leaves.

        The scope only refers to it, who sends holds it: a server's `send` may hold the scope, and all that a
        request has made would be left to the garbage collector.
        """
        known: ref[Exchange] | None = scope.get(_EXCHANGE)
        found = None if known is None else known()
        # What is bound to it is its `send`: to compare the two would make another of it.
        if found is not None and (getattr(send, "__self__", None) is found or send == found.inner):
            return found, send
        begun = cls(scope, send)
        scope[_EXCHANGE] = ref(begun)
        return begun, begun.send

    def send(self, message: Message) -> Awaitable[None]:
        """Send a message to the client; to be awaited. To hand one on, no coroutine is made."""
        kind = message["type"]
        if kind == "http.response.start":
            return self._begin(message)
        if kind == "http.response.body":
            self.has_ended = not message.get("more_body", False)
        return self._send(message)

    async def _begin(self, message: Message) -> None:
        self.status = message["status"]
        headers = list(message.get("headers", ()))  # ASGI lets an app leave them out
        for shape in reversed(self.shapes):
            shape(self, headers)
        await self._send({**message, "headers": headers})  # an app may send its own once more
        self.shapes.clear()  # one of them may hold what holds this


def values_of(request: Request, name: bytes) -> list[str]:
    """Return what a request has in a header, once for each time that it was sent.

    As `request.headers.getlist` does, which a class of requests may give in its own way.
    """
    headers = request.scope["headers"] if type(request) is Request else request.headers.raw
    found = []
    for other, value in headers:  # quicker than a comprehension, where most find nothing
        if other == name:
            found.append(value.decode("latin-1"))
    return found


def those_of(request: Request, names: Collection[bytes]) -> list[tuple[bytes, str]]:
    """Return the headers of a request that are called so, with their values, as they were sent."""
    headers = request.scope["headers"] if type(request) is Request else request.headers.raw
    return [(name, value.decode("latin-1")) for name, value in headers if name in names]


def put(headers: Headers, name: bytes, value: bytes) -> None:
    """Set a header, in the place of the first that is there; there is one then."""
    for other, _ in headers:
        if other == name:
            break
    else:
        headers.append((name, value))
        return
    places = [number for number, (other, _) in enumerate(headers) if other == name]
    for number in reversed(places[1:]):
        del headers[number]
    headers[places[0]] = (name, value)


def vary(headers: Headers, names: bytes) -> None:
    """Say that the response depends on these headers of the request, too (RFC 9110, 12.5.5)."""
    for number, (other, value) in enumerate(headers):
        if other == b"vary":
            headers[number] = (other, value + b", " + names)
            return
    headers.append((b"vary", names))
