"""What the subjects are asked under load."""

from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.http.catalogue import ROWS
from benchmarks.http.databases import Engine


@dataclass(frozen=True)
class Operation:
    """One kind of request. `{n}` in `path` and `body` counts from 1 to ROWS, and again."""

    name: str
    method: str
    path: str
    body: str = ""
    connections: int = 16

    def requests(self, headers: dict[str, str]) -> list[str]:
        """Return the requests as they go over the wire (HTTP/1.1), one for each `{n}`."""
        lines = {"Host": "127.0.0.1", "Accept": "application/json", **headers}
        if self.body:
            lines["Content-Type"] = "application/json"
        varies = "{n}" in self.path + self.body
        return [self._request(lines, n) for n in range(1, (ROWS if varies else 1) + 1)]

    def _request(self, lines: dict[str, str], n: int) -> str:
        body = self.body.replace("{n}", str(n))
        if body:
            lines = {**lines, "Content-Length": str(len(body))}
        head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
        return f"{self.method} {self.path.replace('{n}', str(n))} HTTP/1.1\r\n{head}\r\n{body}"


_BODY = '{"title":"Buy milk, {n} bottles","status":"active"}'
GET = Operation("get", "GET", "/api/todos/{n}")
LIST_20 = Operation("list 20", "GET", "/api/todos?limit=20")
LIST_100 = Operation("list 100", "GET", "/api/todos?limit=100")
POST = Operation("post", "POST", "/api/todos", _BODY)
POST_OF_32 = Operation("post, 32 clients", "POST", "/api/todos", _BODY, connections=32)


def operations(engine: Engine) -> Sequence[Operation]:
    """Return what is asked of the subjects on a database; on SQLite every post waits for the disk."""
    common = (GET, LIST_20, LIST_100, POST)
    return (*common, POST_OF_32) if engine == "sqlite" else common
