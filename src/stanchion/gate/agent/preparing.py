"""Makes the tables of the copy's database, where nothing has yet."""

import asyncio
import runpy
import sys
from pathlib import Path
from typing import Any

from . import engines, guard, heap, serving

_PATIENCE = 30.0


def run_module(name: str, arguments: list[str]) -> str:
    """Run a module as `python -m` does, under the guard. Raises what it raises; exit status 0 is success."""
    before = sys.argv
    sys.argv = [name, *arguments]
    sys.path.insert(0, str(Path.cwd()))
    try:
        runpy.run_module(name, run_name="__main__", alter_sys=True)
    except SystemExit as exc:
        if exc.code not in (None, 0):
            raise RuntimeError(f"{name} {' '.join(arguments)} ended with {exc.code}") from None
    finally:
        sys.argv = before
        sys.path.pop(0)
    return "done"


def create_tables() -> list[str]:
    """Create the tables of the app's models on every engine of it that lacks them; return their names.

    By the engine itself, in the loop of the app where it is async: a URL alone does not tell how it
    connects, and what is in memory is seen by nobody else.
    """
    models = _models() if "sqlalchemy" in sys.modules else []
    if not models:
        return []
    from sqlalchemy.exc import SQLAlchemyError

    made: list[str] = []
    found = engines.alive()
    for url in {str(one.url) for one in found}:
        failure: Exception | None = None
        for engine in [one for one in found if str(one.url) == url]:
            try:
                made += _create_on(engine, models)
                break
            except SQLAlchemyError as exc:  # one of them may be there for reading alone
                failure = exc
        else:
            raise failure or RuntimeError(url)
    return sorted(set(made))


def _create_on(engine: Any, models: list[Any]) -> list[str]:
    if engine.dialect.is_async:
        waiting = asyncio.run_coroutine_threadsafe(_create_async(engine, models), serving.loop())
        return waiting.result(_PATIENCE)
    with engine.begin() as connection:
        return _create(connection, models)


async def _create_async(engine: Any, models: list[Any]) -> list[str]:
    from sqlalchemy.ext.asyncio import AsyncEngine

    async with AsyncEngine(engine).begin() as connection:
        made: list[str] = await connection.run_sync(_create, models)
    return made


def _create(connection: Any, models: list[Any]) -> list[str]:
    from sqlalchemy import inspect

    present = set(inspect(connection).get_table_names())
    for metadata in models:
        metadata.create_all(connection)
    return [name for metadata in models for name in metadata.tables if name not in present]


def _models() -> list[Any]:
    """Return the MetaData of the mapped classes, and those that a module of the project holds."""
    from sqlalchemy import MetaData
    from sqlalchemy.orm import registry

    mapped = [one.metadata for one in heap.alive(registry) if list(one.mappers)]
    held = [
        value
        for module in list(sys.modules.values())
        if guard.of_project(getattr(module, "__file__", None) or "")
        for value in list(vars(module).values())
        if isinstance(value, MetaData)
    ]
    return list({id(one): one for one in (*mapped, *held) if one.tables}.values())
