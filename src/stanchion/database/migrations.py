"""Migrations: the library's tables and the app's, each with its own history, by Alembic from Python.

No alembic.ini and no env.py in a project: a revision is a file in its `migrations/versions/`, and
`revisions/env.py` beside this module drives both histories. Which schema a database has is in
`stanchion.database.schema`, which needs none of this.
"""

import importlib
import re
import sqlite3
import sys
import traceback
from argparse import Namespace
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import asynccontextmanager, closing, contextmanager
from pathlib import Path
from textwrap import indent
from types import ModuleType
from typing import Any, TypeVar

import anyio
from alembic import command
from alembic.autogenerate import compare_metadata, render_op_text
from alembic.autogenerate.api import AutogenContext
from alembic.config import Config
from alembic.operations.ops import (
    CreateIndexOp,
    CreateTableOp,
    DropTableOp,
    MigrateOperation,
    MigrationScript,
)
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, MetaData, event
from sqlalchemy.engine.default import DefaultDialect
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine

from stanchion.database import batch
from stanchion.database.differences import describe, is_the_apps, render_item
from stanchion.database.engine import PATIENCE, Database
from stanchion.database.failures import DatabaseUnavailableError
from stanchion.database.schema import APP_TABLE, History, SchemaError, Status, histories, in_thread, state
from stanchion.database.schema import versions_directory as versions_directory

T = TypeVar("T")

_HERE = Path(__file__).parent / "revisions"
_LOCK = int.from_bytes(b"stanchio")
"""The key of PostgreSQL's advisory lock; it must not change from one release to the next."""
_PATIENCE = 60_000
"""Milliseconds that SQLite waits for another process that migrates."""
_NAMES = {
    "ix": "ix_%(column_0_label)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
}
"""Names for what has none: SQLite would keep it nameless, and no later revision could drop it."""


def upgrade(url: str, app_dir: Path) -> list[str]:
    """Bring a database to the newest revisions and return those that ran.

    Two processes may do this at once: the second waits, and finds nothing left to do. Each
    history is one transaction. Raises SchemaError, which names the file and line, where a
    revision fails; then nothing of its history has changed.
    """
    current = state(url, app_dir)
    if current.status is Status.ahead:
        raise SchemaError(current.advice)
    return _connected(url, lambda connection: _upgrade(connection, app_dir), alone=True)


def check(url: str, app_dir: Path) -> list[str]:
    """Return what stands between the models and the database, a line each; nothing where they agree.

    These are the revisions that have not run or, when all have, what autogenerate sees.
    Raises SchemaError where the database is ahead or `models.py` cannot be imported.
    """
    current = state(url, app_dir)
    if current.status is Status.ahead:
        raise SchemaError(current.advice)
    if current.pending:
        return [f"revision {label} has not run" for label in current.pending]
    metadata = _models(app_dir)
    return _connected(url, lambda connection: describe(_differences(connection, metadata)))


def revision(url: str, app_dir: Path, message: str, *, empty: bool = False) -> Path | None:
    """Write the revision that brings the database to the models; None, and no file, if nothing differs.

    With `empty` it does nothing yet, whatever differs: for rows, which are filled by hand. Raises SchemaError
    unless the database is current.
    """
    if not re.search(r"\w", message):
        raise SchemaError('The message is empty: say what changed, like `stanchion migrate new "add notes"`.')
    current = state(url, app_dir)
    if current.status is not Status.current:
        raise SchemaError(current.advice)
    history = _growing(app_dir)
    metadata = _models(app_dir)
    return _connected(url, lambda connection: _revision(connection, history, metadata, message, empty))


def creation(table: str, app_dir: Path, message: str, layout: Callable[[str], str] = str) -> Path:
    """Write the revision that creates one table of the models, after the last there is; no database is asked.

    It is written by the app's `migrations/script.py.mako`, where it has one, around what `layout` makes
    of the operations, which Alembic leaves on lines of any length. Raises SchemaError where the history has
    two ends, or a file of it, the template or `models.py` fails.
    """
    history = _growing(app_dir)
    found = _models(app_dir).tables[table]
    options = {"sqlalchemy_module_prefix": "sa.", "alembic_module_prefix": "op.", "render_item": render_item}
    context = AutogenContext(MigrationContext.configure(dialect=DefaultDialect()), opts=options)

    def rendered(operations: Iterable[MigrateOperation]) -> str:
        code = "\n".join(render_op_text(context, one) for one in operations)
        return indent(layout(code), "    ").lstrip()  # the template writes the first line's indent

    indexes = sorted(found.indexes, key=lambda index: str(index.name))
    upgrades = rendered([CreateTableOp.from_table(found), *map(CreateIndexOp.from_index, indexes)])
    downgrades = rendered([DropTableOp.from_table(found)])
    folder = history.directory.parent
    config = _config(history, templates=folder if (folder / "script.py.mako").is_file() else _HERE)
    with _on_path(app_dir), _told(folder):
        script = ScriptDirectory.from_config(config).generate_revision(
            _next(history),
            message,
            upgrades=upgrades,
            downgrades=downgrades,
            imports="\n".join(sorted(context.imports)),
            config=config,
        )
    assert script is not None, "the revision was written"
    return Path(script.path)


def run(context: Any) -> None:
    """Run one Alembic command: the body of `revisions/env.py`."""
    given: dict[str, Any] = context.config.attributes
    connection: Connection = given["connection"]
    context.configure(
        connection=connection,
        compare_type=True,
        include_object=is_the_apps,
        # SQLite's DDL is transactional; what is not is Python's driver, which the engine tells not to meddle.
        transactional_ddl=True,
        render_as_batch=True,
        render_item=render_item,
        **given["options"],
    )
    with batch.kept_ids(connection), context.begin_transaction():
        context.run_migrations()
        batch.check_foreign_keys(connection)


def _upgrade(connection: Connection, app_dir: Path) -> list[str]:
    ran: list[str] = []
    for history in histories(app_dir):

        def note(*, step: Any, history: History = history, **_: Any) -> None:
            ran.append(history.label(step.up_revision_id))

        # Only for its names: the models themselves are not needed, and may be newer than a revision.
        metadata = MetaData(naming_convention=_NAMES)
        config = _connected_config(connection, history, target_metadata=metadata, on_version_apply=note)
        with _on_path(app_dir), _told(history.directory):
            command.upgrade(config, "heads")
    return ran


def _differences(connection: Connection, metadata: MetaData) -> list[Any]:
    options = {"compare_type": True, "include_object": is_the_apps, "version_table": APP_TABLE}
    context = MigrationContext.configure(connection, opts=options)
    differences: list[Any] = compare_metadata(context, metadata)
    return differences


def _revision(
    connection: Connection, history: History, metadata: MetaData, message: str, empty: bool
) -> Path | None:
    def only_changes(_: Any, __: Any, directives: list[MigrationScript]) -> None:
        if empty:
            for ops in [one for script in directives for one in (script.upgrade_ops, script.downgrade_ops)]:
                assert ops is not None, "autogenerate makes both"
                ops.ops = []
        elif all(ops.is_empty() for script in directives for ops in script.upgrade_ops_list):
            directives.clear()

    options = {"target_metadata": metadata, "process_revision_directives": only_changes}
    config = _connected_config(connection, history, **options)
    history.directory.mkdir(parents=True, exist_ok=True)
    with _told(history.directory):
        made = command.revision(
            config, message=" ".join(message.split()).rstrip("."), autogenerate=True, rev_id=_next(history)
        )
    scripts = made if isinstance(made, list) else [made]
    return next((Path(script.path) for script in scripts if script is not None), None)


def _growing(app_dir: Path) -> History:
    """Return the app's history, which has one end. Raises SchemaError where it has two."""
    history = histories(app_dir)[1]
    if len(history.heads) > 1:
        names = " and ".join(sorted(history.label(head) for head in history.heads))
        raise SchemaError(f"{names} both come last: let the `down_revision` of one name the other.")
    return history


def _next(history: History) -> str:
    numbers = [int(revision) for revision in history.parents if revision.isdecimal()]
    number = max([*numbers, 0]) + 1 if numbers else len(history.parents) + 1
    return f"{number:04d}"


def _config(history: History, templates: Path = _HERE) -> Config:
    config = Config(cmd_opts=Namespace(quiet=True))  # it would write to standard output
    config.set_main_option("script_location", _escaped(templates))
    config.set_main_option("path_separator", "newline")
    config.set_main_option("version_locations", _escaped(history.directory))
    config.set_main_option("file_template", "%%(rev)s_%%(slug)s")
    return config


def _connected_config(connection: Connection, history: History, **options: Any) -> Config:
    config = _config(history)
    config.attributes["connection"] = connection
    config.attributes["options"] = {"version_table": history.table, **options}
    return config


def _escaped(path: Path) -> str:
    return str(path.absolute()).replace("%", "%%")


def _models(app_dir: Path) -> MetaData:
    """Import the app's `models` and return what SQLModel has gathered."""
    from sqlmodel import SQLModel

    if SQLModel.metadata.naming_convention == MetaData().naming_convention:
        SQLModel.metadata.naming_convention = _NAMES
    import_models(app_dir)
    return SQLModel.metadata


def import_models(app_dir: Path) -> ModuleType:
    """Import the app's `models`. Raises SchemaError, which names the file and line that failed."""
    path = app_dir.absolute() / "models.py"
    if not path.is_file() and not path.with_suffix("").is_dir():
        raise SchemaError(
            f"There is no models.py in {app_dir.absolute()}: name the app's directory with --app-dir."
        )
    with _on_path(app_dir), _told(app_dir.absolute()):
        return importlib.import_module("models")


@contextmanager
def _on_path(app_dir: Path) -> Iterator[None]:
    """Let files import the app's modules by their names, as they do when it runs."""
    entry = str(app_dir.absolute())
    sys.path.insert(0, entry)
    try:
        yield
    finally:
        sys.path.remove(entry)


@contextmanager
def _told(directory: Path) -> Iterator[None]:
    """Turn what goes wrong in a file of `directory` into a sentence that names its line."""
    try:
        yield
    except SchemaError:
        raise
    except Exception as exc:
        raise SchemaError(_sentence(exc, directory)) from exc


def _sentence(exc: Exception, directory: Path) -> str:
    reason = str(exc.orig if isinstance(exc, DBAPIError) else exc).strip().split("\n")[0].rstrip(".")
    kind = "" if isinstance(exc, DBAPIError) else f"{type(exc).__name__}: "
    if isinstance(exc, SyntaxError) and exc.filename:
        return f"{Path(exc.filename).name}, line {exc.lineno}: {kind}{exc.msg}."
    for frame in reversed(traceback.extract_tb(exc.__traceback__)):
        path = Path(frame.filename).resolve()
        # An environment may lie in the app's directory; what it holds is not the app's.
        if path.is_relative_to(directory.resolve()) and "site-packages" not in path.parts:
            return f"{path.name}, line {frame.lineno}: {kind}{reason}."
    return f"{kind}{reason}."


def _connected(url: str, work: Callable[[Connection], T], *, alone: bool = False) -> T:
    return in_thread(_run_connected(url, work, alone))


async def _run_connected(url: str, work: Callable[[Connection], T], alone: bool) -> T:
    database = Database(url, pool_size=2)
    is_sqlite = database.url.get_backend_name() == "sqlite"
    if is_sqlite:
        _open_sqlite(database.url.database or "")
        event.listen(database.engine.sync_engine, "connect", _prepare_sqlite)
    try:
        async with (
            _lock(database.engine, needed=alone and not is_sqlite),
            database.engine.connect() as connection,
        ):
            if not is_sqlite:
                # A revision may compute for longer between two statements than a request may.
                for name in PATIENCE:
                    await connection.exec_driver_sql(f"SET {name} = 0")
                await connection.commit()
            return await connection.run_sync(work)
    except DatabaseUnavailableError as exc:
        raise SchemaError(f"The database does not answer ({exc.__cause__}): correct DATABASE_URL.") from exc
    except (DBAPIError, OSError) as exc:
        reason = str(exc.orig if isinstance(exc, DBAPIError) else exc).rstrip(".")
        raise SchemaError(f"The database cannot be used ({reason}): correct DATABASE_URL.") from exc
    finally:
        await database.close()


@asynccontextmanager
async def _lock(engine: AsyncEngine, *, needed: bool) -> AsyncIterator[None]:
    """Be the only process that migrates this PostgreSQL database; SQLite has BEGIN IMMEDIATE.

    On a connection of its own, since a revision may commit in between (`autocommit_block`); and
    by asking again instead of waiting, since a statement that waits would hold up another
    process's CREATE INDEX CONCURRENTLY, which would wait for it in turn.
    """
    if not needed:
        yield
        return
    async with engine.connect() as plain:
        connection = await plain.execution_options(isolation_level="AUTOCOMMIT")
        # What is waited for is another process, which can set no event here.
        while not (await connection.exec_driver_sql(f"SELECT pg_try_advisory_lock({_LOCK})")).scalar():  # noqa: ASYNC110
            await anyio.sleep(0.05)
        try:
            yield
        finally:
            await connection.exec_driver_sql(f"SELECT pg_advisory_unlock({_LOCK})")


def _open_sqlite(path: str) -> None:
    """Make sure of the file: the async driver's thread would outlive a failure to open it, and complain."""
    try:
        with closing(sqlite3.connect(path, timeout=_PATIENCE / 1000)) as connection:
            connection.execute("PRAGMA journal_mode = WAL")
    except sqlite3.Error as exc:
        raise SchemaError(f"{path} cannot be opened ({exc}): correct DATABASE_URL, or its folder.") from exc


def _prepare_sqlite(connection: Any, _: Any) -> None:
    cursor = connection.cursor()
    cursor.execute(f"PRAGMA busy_timeout = {_PATIENCE}")
    # Batch mode copies a table and drops the old one, which would take its children along.
    cursor.execute("PRAGMA foreign_keys = OFF")
    cursor.close()
