"""What a rule may ask: the source, the OpenAPI document, the loaded app, and the running one."""

import ast
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stanchion.gate.model import NotChecked
from stanchion.gate.source import Module, Source

if TYPE_CHECKING:
    from stanchion.gate.running import Running

_METHODS = ("get", "put", "post", "patch", "delete", "options", "head", "trace")


@dataclass(frozen=True)
class Route:
    """One path operation, as the loaded app has it."""

    method: str
    path: str
    name: str
    file: str
    """Relative to the project; empty where the endpoint is a library's."""
    line: int
    is_async: bool
    dependencies: tuple[str, ...] = ()
    """The qualified names of all that it depends on, at any depth."""
    secured: tuple[str, ...] = ()
    """The security schemes among its dependencies."""
    optional: bool = False
    """One of them lets pass whoever has no key (auto_error=False): the code may ask for it, or not."""
    parameters: tuple[Mapping[str, str], ...] = ()
    """Of the function: `{"name": "todo_id", "annotation": "<class 'int'>"}`."""
    in_schema: bool = True

    @property
    def operation(self) -> str:
        """Return `POST /api/todos`."""
        return f"{self.method} {self.path}"


@dataclass(frozen=True)
class Loaded:
    """What the agent saw when it imported the app. Raises nothing: `error` says why there is no app."""

    error: str = ""
    entry: str = ""
    """`main:app`"""
    file: str = ""
    routes: tuple[Route, ...] = ()
    middleware: tuple[Mapping[str, Any], ...] = ()
    """`{"class": "CORSMiddleware", "options": {...}}`, the outermost first."""
    effects: tuple[Mapping[str, Any], ...] = ()
    """What the import did beside defining: `{"event": "socket.connect", "file": ..., "line": ...}`."""
    has_lifespan: bool = False
    document: Mapping[str, Any] | None = None
    document_error: str = ""
    openapi_url: str | None = None
    docs_url: str | None = None
    versions: Mapping[str, str] | None = None


@dataclass(frozen=True)
class Operation:
    """An operation of the OpenAPI document, with its parameters merged."""

    method: str
    path: str
    spec: Mapping[str, Any]

    @property
    def name(self) -> str:
        """Return `POST /api/todos`."""
        return f"{self.method} {self.path}"

    @property
    def parameters(self) -> list[Mapping[str, Any]]:
        """Return its parameters."""
        return [parameter for parameter in self.spec.get("parameters", ()) if isinstance(parameter, dict)]


class Document:
    """An OpenAPI document, and what rules ask of it."""

    def __init__(self, content: Mapping[str, Any]) -> None:
        self.content = content

    @cached_property
    def operations(self) -> tuple[Operation, ...]:
        """Return every operation, in the document's order."""
        found = []
        for path, item in self.content.get("paths", {}).items():
            shared = [self.resolve(one) for one in item.get("parameters", ())]
            for method, spec in item.items():
                if method in _METHODS:
                    own = [self.resolve(one) for one in spec.get("parameters", ())]
                    names = {(one.get("name"), one.get("in")) for one in own}
                    merged = own + [one for one in shared if (one.get("name"), one.get("in")) not in names]
                    found.append(Operation(method.upper(), path, {**spec, "parameters": merged}))
        return tuple(found)

    def resolve(self, node: Any, depth: int = 20) -> Any:
        """Return what a `$ref` within the document points at; `{}` where it points nowhere."""
        while isinstance(node, dict) and "$ref" in node and depth:
            depth -= 1
            target: Any = self.content
            for part in str(node["$ref"]).removeprefix("#/").split("/"):
                part = part.replace("~1", "/").replace("~0", "~")
                target = target.get(part, {}) if isinstance(target, dict) else {}
            node = target
        return node

    def security(self, operation: Operation) -> list[Mapping[str, Any]]:
        """Return the security requirements of an operation, its own or the document's."""
        return list(operation.spec.get("security", self.content.get("security", ())))


@dataclass
class Subject:
    """Everything a rule may ask of the text. What cannot be had raises NotChecked, with the reason.

    `running` is the same for the running app: `stanchion.gate.running`.
    """

    source: Source | None = None
    loaded: Loaded | None = None
    load: Callable[[], Loaded] | None = None
    """Imports the app, when a rule first asks for it."""
    fetch: Callable[[], Mapping[str, Any]] | None = None
    """Gets the document of a backend of which only the URL is known."""
    start: "Callable[[Document], Running] | None" = None
    again: Callable[[Mapping[str, str]], list[str]] | None = None
    """Imports the app once more, with these variables, and tells the URLs of its engines."""
    not_started: str = ""
    """Why the app does not start."""
    against: Path | None = None
    """The OpenAPI document of the last release, where one was named."""

    @cached_property
    def running(self) -> "Running":
        """Return the running app. Raises NotChecked where it does not run, each time that it is asked."""
        if self.start is None:
            raise NotChecked("the app was not started")
        if self._why:
            raise NotChecked(self._why)
        try:
            return self.start(self.document)
        except NotChecked as exc:
            self._why = exc.reason  # it is not started again for each rule
            raise

    _why: str = ""

    @property
    def code(self) -> tuple[Module, ...]:
        """Return the modules that are served. Raises NotChecked where only a URL was given."""
        return self.files.code

    @property
    def files(self) -> Source:
        """Return the project's files. Raises NotChecked where only a URL was given."""
        if self.source is None:
            raise NotChecked("there is no source: name the project with --path")
        return self.source

    @property
    def app(self) -> Loaded:
        """Return the app as it was imported. Raises NotChecked where it was not."""
        loaded = self.imported
        if loaded is None:
            raise NotChecked("the app was not imported: name the project's folder, not its URL")
        if loaded.error:
            raise NotChecked(f"the app {self.failure}")
        return loaded

    @property
    def failure(self) -> str:
        """Return why the app never ran: `cannot be imported: ...` or `does not start: ...`."""
        if self.loaded is not None and self.loaded.error:
            return f"cannot be imported: {self.loaded.error}"
        return f"does not start: {self.not_started}" if self.not_started else ""

    @property
    def imported(self) -> Loaded | None:
        """Return what the import came to, also where it failed; None where only a URL was given."""
        if self.loaded is None and self.load is not None:
            self.loaded = self.load()
        return self.loaded

    @cached_property
    def document(self) -> Document:
        """Return the OpenAPI document. Raises NotChecked where there is none."""
        if self.fetch is not None:
            return Document(self.fetch())
        content = self.app.document
        if content is None:
            raise NotChecked(self.app.document_error or "the app makes no OpenAPI document")
        return Document(content)

    def route(self, operation: Operation) -> Route | None:
        """Return the path operation behind an operation of the document."""
        if self.imported is None:
            return None  # by its URL alone
        for route in self.app.routes:
            if (route.method, route.path) == (operation.method, operation.path):
                return route
        return None

    def where(self, operation: Operation) -> dict[str, Any]:
        """Return `operation`, `file` and `line` for a finding about an operation."""
        route = self.route(operation)
        place = {"file": route.file, "line": route.line} if route else {}
        return {"operation": operation.name, **place}

    def close(self) -> None:
        """End what was started."""
        if "running" in vars(self):
            self.running.live.close()

    def calls(self) -> Iterator[tuple[Module, ast.Call]]:
        """Give every call in the served code."""
        for module in self.code:
            for node in module.walk():
                if isinstance(node, ast.Call):
                    yield module, node
