"""Imports the app, and reads what it is made of."""

import functools
import importlib
import inspect
import sys
import threading
import traceback
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from importlib import metadata
from typing import Any

from . import guard

Effects = list[dict[str, Any]]

_PACKAGES = ("fastapi", "starlette", "pydantic", "sqlalchemy", "sqlmodel", "uvicorn", "stanchion")
loaded: dict[str, Any] = {}


def load(entry: str, app_dir: str) -> dict[str, Any]:
    """Import `module:attribute` from `app_dir`, and describe it; `error` says why that cannot be."""
    sys.path.insert(0, app_dir)
    effects: Effects = []
    threads = set(threading.enumerate())
    guard.watch(effects)
    try:
        module_name, _, attribute = entry.partition(":")
        with _unserved(effects):
            module = importlib.import_module(module_name)
        try:
            app = functools.reduce(getattr, (attribute or "app").split("."), module)
        except AttributeError:
            return {"error": f"there is no {attribute or 'app'} in {module_name}", "effects": effects}
        if not hasattr(app, "router") and callable(app):
            app = app()  # a factory
    except BaseException as exc:
        return {"error": sentence(exc), "traceback": traceback.format_exc(), "effects": effects}
    finally:
        guard.watch(None)
    effects += [
        {"event": "threading.Thread", "does": "starts a thread", "file": "", "line": 0, "function": one.name}
        for one in threading.enumerate()
        if one not in threads
    ]
    if not hasattr(app, "openapi") or not hasattr(app, "router"):
        return {"error": f"{entry} is no FastAPI app, but {type(app).__name__}", "effects": effects}
    loaded["app"] = app
    return {"entry": entry, "effects": effects, **_described(app, module)}


@contextmanager
def _unserved(effects: Effects) -> Iterator[None]:
    """Let `uvicorn.run(app)` in a module do nothing but be noted: the import would never end."""
    try:
        uvicorn = importlib.import_module("uvicorn")
    except ImportError:
        yield
        return

    def note(*_arguments: Any, **_options: Any) -> None:
        effects.append({"event": "uvicorn.run", "does": "starts a server", **guard.place()})

    async def serve(*_arguments: Any, **_options: Any) -> None:
        note()

    with ExitStack() as until_the_end:
        for holder, name, instead in (
            (uvicorn, "run", note),
            (uvicorn.Server, "run", note),
            (uvicorn.Server, "serve", serve),
        ):
            until_the_end.callback(setattr, holder, name, getattr(holder, name))
            setattr(holder, name, instead)
        yield


def sentence(exc: BaseException) -> str:
    """Return the kind of an exception, its first line, and the line of the project that raised it."""
    where = ""
    for frame in reversed(traceback.extract_tb(exc.__traceback__)):
        if own := guard.of_project(frame.filename):
            where = f" ({own}, line {frame.lineno})"
            break
    words = str(exc).strip().splitlines()
    return f"{type(exc).__name__}: {words[0] if words else 'no message'}{where}"


def _described(app: Any, module: Any) -> dict[str, Any]:
    document, broken = None, ""
    try:
        document = app.openapi() if app.openapi_url else None
    except Exception as exc:
        broken = sentence(exc)
    return {
        "error": "",
        "file": guard.of_project(getattr(module, "__file__", "") or ""),
        "document": document,
        "document_error": broken,
        "openapi_url": app.openapi_url,
        "docs_url": app.docs_url,
        "routes": list(_routes(app)),
        "middleware": [_middleware(one) for one in app.user_middleware],
        "has_lifespan": _has_lifespan(app),
        "versions": {name: version for name in _PACKAGES if (version := _version(name))},
    }


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return ""


def _has_lifespan(app: Any) -> bool:
    handlers = getattr(app.router, "on_startup", None) or getattr(app.router, "on_shutdown", None)
    return bool(handlers) or _is_given(getattr(app.router, "lifespan_context", None))


def _is_given(context: Any) -> bool:
    """Tell a lifespan that somebody wrote from FastAPI's own, which merges one for each router."""
    waiting, met = [context], set()
    while waiting:
        one = waiting.pop()
        if one is None or id(one) in met:
            continue
        met.add(id(one))
        if getattr(one, "__module__", "").partition(".")[0] not in ("starlette", "fastapi", "contextlib"):
            return True
        cells = getattr(one, "__closure__", None) or ()
        waiting += [cell.cell_contents for cell in cells if callable(cell.cell_contents)]
        waiting.append(getattr(one, "__wrapped__", None))
    return False


def _middleware(one: Any) -> dict[str, Any]:
    options = dict(
        getattr(one, "kwargs", None) or getattr(one, "options", None) or {}
    )  # before Starlette 0.36
    return {
        "class": getattr(one.cls, "__name__", str(one.cls)),
        "bases": [base.__name__ for base in getattr(one.cls, "__mro__", ())],
        "options": {
            name: value if isinstance(value, str | int | bool | list | tuple | type(None)) else repr(value)
            for name, value in options.items()
        },
    }


def _routes(app: Any) -> Any:
    """Give each path operation once per method, however it is included or mounted."""
    for context in contexts(app):
        endpoint = getattr(context, "endpoint", None)
        dependant = getattr(context, "dependant", None)
        if endpoint is None or dependant is None:
            continue
        code = function(endpoint)
        file, line = source(endpoint)
        path = getattr(context, "path_format", None) or getattr(context, "path", "")
        for method in sorted(getattr(context, "methods", None) or ()):
            yield {
                "method": method,
                "path": path,
                "name": getattr(context, "name", "") or "",
                "file": file,
                "line": line,
                "is_async": inspect.iscoroutinefunction(code) or inspect.isasyncgenfunction(code),
                "in_schema": bool(getattr(context, "include_in_schema", True)),
                "dependencies": sorted(set(_dependencies(dependant))),
                "secured": sorted({_scheme_name(one) for one in _schemes(dependant)}),
                "optional": any(getattr(one, "auto_error", True) is False for one in _schemes(dependant)),
                "parameters": _parameters(code),
            }


def contexts(app: Any) -> Any:
    """Give what FastAPI documents: since 0.137 the routes are a tree, before that a list."""
    iterate = getattr(importlib.import_module("fastapi.routing"), "iter_route_contexts", None)
    if iterate is not None:
        yield from iterate(app.routes)
        return
    yield from app.routes


def function(endpoint: Any) -> Any:
    """Return what was written, of what decorators and partial() have made of it."""
    code = inspect.unwrap(endpoint)
    while isinstance(code, functools.partial):
        code = code.func
    return code


def source(endpoint: Any) -> tuple[str, int]:
    """Return the file and the line where an endpoint is written; nothing where that is not in the project."""
    written = function(endpoint)
    called = getattr(type(written), "__call__", None)  # noqa: B004 (its code is wanted, not whether it is there)
    code = getattr(written, "__code__", None) or getattr(called, "__code__", None)
    if code is None:
        return "", 0
    return guard.of_project(code.co_filename), code.co_firstlineno


def name(call: Any) -> str:
    named = call if hasattr(call, "__qualname__") else type(call)
    return f"{named.__module__}.{named.__qualname__}"


def _dependencies(dependant: Any) -> Any:
    for one in getattr(dependant, "dependencies", ()):
        if one.call is not None:
            yield name(one.call)
        yield from _dependencies(one)


def _schemes(dependant: Any) -> Any:
    base = importlib.import_module("fastapi.security.base").SecurityBase
    for one in getattr(dependant, "dependencies", ()):
        if isinstance(one.call, base):
            yield one.call
        yield from _schemes(one)


def _scheme_name(scheme: Any) -> str:
    return str(getattr(scheme, "scheme_name", type(scheme).__name__))


def _parameters(function: Any) -> list[dict[str, str]]:
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        return []
    empty = inspect.Parameter.empty
    return [
        {"name": one.name, "annotation": "" if one.annotation is empty else str(one.annotation)}
        for one in signature.parameters.values()
    ]
