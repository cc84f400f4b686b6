"""The tree of dependencies of a path operation, solved in FastAPI's order from a plan that is made once."""

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from types import SimpleNamespace, TracebackType
from typing import Any

from anyio import CancelScope
from anyio.lowlevel import checkpoint_if_cancelled
from fastapi._compat import Undefined
from fastapi.background import BackgroundTasks
from fastapi.concurrency import (
    _contextmanager_with_concurrency_limit,
    contextmanager_in_threadpool,
)
from fastapi.dependencies.models import (
    Dependant,
    _get_cache_key,
    _get_oauth_scopes,
    _is_async_gen_callable,
    _is_coroutine_callable,
    _is_gen_callable,
)
from fastapi.dependencies.utils import get_dependant
from fastapi.security import SecurityScopes
from starlette.background import BackgroundTasks as StarletteBackgroundTasks
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from stanchion.routing.parameters import Arguments, Errors, Reader, body_readers, reader
from stanchion.signature import asks_request_alone
from stanchion.stack import FUNCTION_STACK, REQUEST_STACK

_CLEANUP_SCOPES = "fastapi_async_cleanup_scopes"
_NOBODY = SimpleNamespace(dependency_overrides={})


class Work:
    """What one request's dependencies have come to: their values by slot, the errors, what they share."""

    __slots__ = ("background", "body", "errors", "provider", "request", "response", "solved")

    def __init__(self, request: Request, provider: Any = None, body: Any = Undefined) -> None:
        """`provider` is what has the `dependency_overrides`, an app."""
        self.request = request
        self.provider = provider or _NOBODY
        self.body = body
        self.errors: Errors = []
        self.solved: dict[int, Any] = {}
        self.background: StarletteBackgroundTasks | None = None
        self.response: Response | None = None

    @property
    def overrides(self) -> dict[Any, Any]:
        """What overrides dependencies by now: one of them may set what overrides the next."""
        overrides: dict[Any, Any] = self.provider.dependency_overrides
        return overrides

    def shared_background(self) -> StarletteBackgroundTasks:
        """Return the tasks that run after the response."""
        if self.background is None:
            self.background = BackgroundTasks()
        return self.background

    def shared_response(self) -> Response:
        """Return the response whose headers and status the one that is sent takes over."""
        if self.response is None:
            self.response = Response()
            del self.response.headers["content-length"]
            self.response.status_code = None  # type: ignore[assignment] # as FastAPI marks it: nobody set one
        return self.response


Source = tuple[Callable[[Work], Any], tuple[Reader, ...]]
"""A part of the request, and what reads it."""

Run = Callable[[Work, Arguments], Awaitable[Any]]


class Planner:
    """Makes the plans of a route. Dependencies that FastAPI caches as one share a slot."""

    def __init__(self, *, embed: bool) -> None:
        self._embed = embed
        self._slots: dict[Any, int] = {}

    def signature(self, dependant: Dependant) -> "Signature":
        """Return the plan of a function's signature and of all that it depends on."""
        return Signature(
            tuple(self._dependency(one) for one in dependant.dependencies),
            _sources(dependant, embed=self._embed),
            _special(dependant),
        )

    def function(self, dependant: Dependant) -> "Function":
        """Return the plan of a function that something depends on."""
        if asks_request_alone(dependant.call):
            return Function(Signature((), (), _special(dependant)), dependant)
        return Function(self.signature(dependant), dependant)

    def _dependency(self, dependant: Dependant) -> "Dependency":
        slot = self._slots.setdefault(_get_cache_key(dependant=dependant), len(self._slots))
        return Dependency(dependant, slot, self)


class Signature:
    """Gathers the arguments of one function: from its dependencies first, then from the request."""

    __slots__ = ("dependencies", "once", "sources", "special")

    def __init__(
        self,
        dependencies: tuple["Dependency", ...],
        sources: tuple[Source, ...],
        special: tuple[tuple[str, Callable[[Work], Any]], ...],
    ) -> None:
        self.dependencies = dependencies
        self.sources = sources
        self.special = special
        self.once: bool = all(one.cached and one.function.signature.once for one in dependencies)
        """Whether all that it depends on is called once a request."""

    async def arguments(self, work: Work) -> Arguments:
        """Return the arguments. What is wrong with the request is added to the errors of the work."""
        arguments: Arguments = {}
        for dependency in self.dependencies:
            if not dependency.recall(work, arguments):
                await dependency.solve(work, arguments)
        self.read(work, arguments)
        return arguments

    def read(self, work: Work, arguments: Arguments) -> None:
        """Put what the request itself has into the arguments."""
        for part, readers in self.sources:
            received = part(work)
            for read in readers:
                read(received, arguments, work.errors)
        for name, give in self.special:
            arguments[name] = give(work)


class Function:
    """A function that something depends on: its signature, and how it is called."""

    __slots__ = ("coroutine", "run", "signature")

    def __init__(self, signature: Signature, dependant: Dependant) -> None:
        assert dependant.call is not None
        self.signature = signature
        self.run = _runner(dependant, dependant.call)
        plain = dependant.concurrency is None and not _generates(dependant)
        self.coroutine = dependant.call if plain and _is_coroutine_callable(dependant.call) else None
        """What is awaited as it is; anything else is run."""


class Dependency:
    """One place where a function depends on another."""

    __slots__ = (
        "_dependant",
        "_is_once",
        "_name",
        "_overriding",
        "_planner",
        "_slot",
        "cached",
        "function",
    )

    def __init__(self, dependant: Dependant, slot: int, planner: Planner) -> None:
        self._dependant = dependant
        self._slot = slot
        self._planner = planner
        self._overriding: tuple[Any, Function] | None = None
        self._name = dependant.name
        self.cached = dependant.use_cache
        self.function = planner.function(dependant)
        self._is_once = self.cached and self.function.signature.once

    def recall(self, work: Work, arguments: Arguments) -> bool:
        """Put the value into the arguments where it was solved before; else return False.

        What it was given then cannot have changed; FastAPI looks at it again, to the same end.
        """
        if self._slot not in work.solved or not self._is_once or work.overrides:
            return False
        if self._name is not None:
            arguments[self._name] = work.solved[self._slot]
        return True

    async def solve(self, work: Work, arguments: Arguments) -> None:
        """Put the dependency's value into the arguments of what depends on it, unless its own are wrong."""
        name, slot, solved = self._name, self._slot, work.solved
        overrides = work.overrides
        function = self._override(overrides) if overrides else self.function
        errors = len(work.errors)
        signature, own = function.signature, {}
        if signature.dependencies:
            own = await signature.arguments(work)
        else:
            signature.read(work, own)
        if len(work.errors) > errors:
            return
        if self.cached and slot in solved:
            value = solved[slot]
        else:
            coroutine = function.coroutine
            value = await (function.run(work, own) if coroutine is None else coroutine(**own))
            solved.setdefault(slot, value)
        if name is not None:
            arguments[name] = value

    def _override(self, overrides: dict[Any, Any]) -> Function:
        """Return the plan of what overrides the dependency, or of itself, made as FastAPI makes it then."""
        original = self._dependant
        assert original.call is not None
        call = overrides.get(original.call, original.call)
        planned = self._overriding
        if planned is None or planned[0] is not call:
            dependant = get_dependant(
                path=original.path or "",
                call=call,
                name=original.name,
                parent_oauth_scopes=_get_oauth_scopes(dependant=original),
                scope=original.scope,
                concurrency=original.concurrency,
            )
            planned = self._overriding = call, self._planner.function(dependant)
        return planned[1]


def _sources(dependant: Dependant, *, embed: bool) -> tuple[Source, ...]:
    parts: list[tuple[Callable[[Work], Any], Any]] = [
        (lambda work: work.request.path_params, dependant.path_params),
        (lambda work: work.request.query_params, dependant.query_params),
        (lambda work: work.request.headers, dependant.header_params),
        (lambda work: work.request.cookies, dependant.cookie_params),
    ]
    sources = [(part, tuple(reader(field) for field in fields)) for part, fields in parts if fields]
    if dependant.body_params:
        sources.append((lambda work: work.body, body_readers(dependant.body_params, embed=embed)))
    return tuple(sources)


def _special(dependant: Dependant) -> tuple[tuple[str, Callable[[Work], Any]], ...]:
    """Return what gives the parameters that are no input: the request, the response, tasks and scopes."""
    scopes = _get_oauth_scopes(dependant=dependant)
    given: list[tuple[str | None, Callable[[Work], Any]]] = [
        (dependant.http_connection_param_name, lambda work: work.request),
        (dependant.request_param_name, lambda work: work.request),
        (dependant.background_tasks_param_name, Work.shared_background),
        (dependant.response_param_name, Work.shared_response),
        (dependant.security_scopes_param_name, lambda work: SecurityScopes(scopes=scopes.copy())),
    ]
    return tuple((name, give) for name, give in given if name)


def _generates(dependant: Dependant) -> bool:
    return _is_async_gen_callable(dependant.call) or _is_gen_callable(dependant.call)


def _runner(dependant: Dependant, call: Callable[..., Any]) -> Run:
    """Return what calls a dependency as it must be: entered on a stack, awaited, or in a thread."""
    limit = dependant.concurrency
    if _generates(dependant):
        return _entering(dependant, call)

    async def awaited(work: Work, arguments: Arguments) -> Any:
        return await call(**arguments)

    async def threaded(work: Work, arguments: Arguments) -> Any:
        return await run_in_threadpool(call, **arguments)

    run = awaited if _is_coroutine_callable(call) else threaded

    async def limited(work: Work, arguments: Arguments) -> Any:
        assert limit is not None
        async with limit.get_semaphore():
            return await run(work, arguments)

    return run if limit is None else limited


def _entering(dependant: Dependant, call: Callable[..., Any]) -> Run:
    """Return what enters a dependency that yields on the stack that its scope names."""
    limit = dependant.concurrency
    stack = FUNCTION_STACK if dependant.scope == "function" else REQUEST_STACK
    asynchronous = asynccontextmanager(call) if _is_async_gen_callable(call) else None
    synchronous = contextmanager(call)

    async def run(work: Work, arguments: Arguments) -> Any:
        scope = work.request.scope
        manager: AbstractAsyncContextManager[Any]
        if asynchronous is None:
            manager = contextmanager_in_threadpool(synchronous(**arguments))
        else:
            manager = _Shielded(asynchronous(**arguments), _cleanup_scope(work.request))
        if limit is not None:
            manager = _contextmanager_with_concurrency_limit(manager, limit.get_semaphore())
        return await scope[stack].enter_async_context(manager)

    return run


class _Shielded(AbstractAsyncContextManager[Any]):
    """Closes a dependency in full although its request is cancelled, as FastAPI's context manager does."""

    __slots__ = ("manager", "scope", "shielded")

    def __init__(self, manager: AbstractAsyncContextManager[Any], scope: CancelScope) -> None:
        self.manager = manager
        self.scope = scope

    async def __aenter__(self) -> Any:
        self.shielded = self.scope.shield
        return await self.manager.__aenter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool | None:
        self.scope.shield = True
        try:
            handled = await self.manager.__aexit__(kind, error, trace)
        finally:
            self.scope.shield = self.shielded
        if error is None or handled:
            await checkpoint_if_cancelled()
        return handled


def _cleanup_scope(request: Request) -> CancelScope:
    """Return the scope that shields what is closed at the end from the request's cancellation.

    It is entered before the first dependency that yields, on the stack that closes last.
    """
    stack = request.scope[REQUEST_STACK]
    scopes: dict[Any, CancelScope] = request.scope.setdefault(_CLEANUP_SCOPES, {})
    found = scopes.get(stack)
    if found is None:
        found = scopes[stack] = stack.enter_context(CancelScope())
        stack.callback(scopes.pop, stack)
    return found
