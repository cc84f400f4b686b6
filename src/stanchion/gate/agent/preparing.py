"""Makes the tables of the copy's database, where nothing has yet."""

import asyncio
import gc
import runpy
import sys
from typing import Any

from . import guard


def run_module(name: str, arguments: list[str]) -> str:
    """Run a module as `python -m` does, under the guard. Raises what it raises; exit status 0 is success."""
    before = sys.argv
    sys.argv = [name, *arguments]
    try:
        runpy.run_module(name, run_name="__main__", alter_sys=True)
    except SystemExit as exc:
        if exc.code not in (None, 0):
            raise RuntimeError(f"{name} {' '.join(arguments)} ended with {exc.code}") from None
    finally:
        sys.argv = before
    return "done"


def create_tables() -> list[str]:
    """Create the tables of the app's models on every engine of it that lacks them; return their names."""
    if "sqlalchemy" not in sys.modules:
        return []
    from sqlalchemy import Engine, create_engine, inspect

    engines = {str(one.url): one for one in gc.get_objects() if isinstance(one, Engine)}
    models = _models()
    made: list[str] = []
    for engine in engines.values():
        if engine.dialect.is_async:
            made += asyncio.run(_create_async(engine.url, models))
            continue
        own = create_engine(engine.url)
        present = set(inspect(own).get_table_names())
        for metadata in models:
            made += _missing(metadata, present)
            metadata.create_all(own)
        own.dispose()
    return sorted(set(made))


def _models() -> list[Any]:
    """Return the MetaData of the mapped classes, and those that a module of the project holds."""
    from sqlalchemy import MetaData
    from sqlalchemy.orm import registry

    mapped = [one.metadata for one in gc.get_objects() if isinstance(one, registry) and list(one.mappers)]
    held = [
        value
        for module in list(sys.modules.values())
        if guard.of_project(getattr(module, "__file__", None) or "")
        for value in list(vars(module).values())
        if isinstance(value, MetaData)
    ]
    return list({id(one): one for one in (*mapped, *held) if one.tables}.values())


async def _create_async(url: Any, models: list[Any]) -> list[str]:
    from sqlalchemy import inspect
    from sqlalchemy.ext.asyncio import create_async_engine
    from sqlalchemy.pool import NullPool

    engine = create_async_engine(url, poolclass=NullPool)
    made: list[str] = []
    async with engine.begin() as connection:
        present = set(await connection.run_sync(lambda one: inspect(one).get_table_names()))
        for metadata in models:
            made += _missing(metadata, present)
            await connection.run_sync(metadata.create_all)
    await engine.dispose()
    return made


def _missing(metadata: Any, present: set[str]) -> list[str]:
    return [name for name in metadata.tables if name not in present]
