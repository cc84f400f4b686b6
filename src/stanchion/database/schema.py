"""Which schema a database has, and which the code wants: without Alembic, without SQLAlchemy.

`stanchion dev` and `run` ask this at each start, so it costs milliseconds: the revisions are read
from their files as text, the database's version with the driver alone.
"""

import ast
import re
import sqlite3
from collections.abc import Coroutine, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

T = TypeVar("T")

Heads = Mapping[str, frozenset[str]]
"""The newest revisions of each history, by the name of its version table."""

LIBRARY_TABLE = "stanchion_version"
APP_TABLE = "alembic_version"

_LIBRARY = Path(__file__).parent / "revisions" / "versions"
_SQLITE = re.compile(r"sqlite(?:\+aiosqlite)?:///(?P<path>[^?]+)")
_POSTGRESQL = re.compile(r"postgres(?:ql)?(?:\+asyncpg)?(?=://)")
_NO_TABLE = "42P01"


class SchemaError(Exception):
    """The schema cannot be read or changed; the message is one sentence that says what to do."""


class Status(StrEnum):
    """How a database stands to the revisions in the files."""

    current = "current"
    behind = "behind"
    ahead = "ahead"
    empty = "empty"


@dataclass(frozen=True, slots=True)
class State:
    """A database's status, the revisions it still wants, and those that no file knows."""

    status: Status
    pending: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()

    @property
    def advice(self) -> str:
        """One sentence: what is the matter and what to do; empty where the schema is current."""
        if self.status is Status.current:
            return ""
        if self.status is Status.ahead:
            return (
                f"The database's schema is ahead: it has {_listed(self.unknown)}, unknown to this code; "
                "use the code that made it, or another database."
            )
        return f"The database's schema is {self.status}: run `stanchion migrate`."


@dataclass(frozen=True, slots=True)
class History:
    """One line of revisions: the library's, or the app's."""

    table: str
    directory: Path
    parents: Mapping[str, tuple[str, ...]]
    """Each revision with those that it comes after."""
    files: Mapping[str, str]

    @property
    def heads(self) -> frozenset[str]:
        """The revisions that none comes after: one, unless branches were not merged."""
        return frozenset(self.parents) - {parent for parents in self.parents.values() for parent in parents}

    def ancestors(self, revisions: frozenset[str]) -> frozenset[str]:
        """Return these revisions and all that came before them."""
        found: set[str] = set()
        waiting = list(revisions)
        while waiting:
            revision = waiting.pop()
            if revision not in found:
                found.add(revision)
                waiting += self.parents.get(revision, ())
        return frozenset(found)

    def label(self, revision: str) -> str:
        """Name a revision for a person: `0002_add_notes`; the library's as `stanchion 0001_api_keys`."""
        name = self.files.get(revision, revision)
        return f"stanchion {name}" if self.table == LIBRARY_TABLE else name


def versions_directory(app_dir: Path) -> Path:
    """Return where an app keeps its revisions."""
    return app_dir / "migrations" / "versions"


def histories(app_dir: Path | None) -> tuple[History, ...]:
    """Read the library's history and, with `app_dir`, the app's. Raises SchemaError for a broken file."""
    library = _history(LIBRARY_TABLE, _LIBRARY)
    return (library,) if app_dir is None else (library, _history(APP_TABLE, versions_directory(app_dir)))


def known(app_dir: Path | None) -> Heads:
    """Return every revision that the files have, by version table."""
    return {history.table: frozenset(history.parents) for history in histories(app_dir)}


def heads(app_dir: Path | None) -> Heads:
    """Return the revisions that a current database has."""
    return {history.table: history.heads for history in histories(app_dir)}


def state(url: str, app_dir: Path) -> State:
    """Compare a database with the files.

    Raises SchemaError where the database does not answer or a file is broken, and
    stanchion.database.DatabaseURLError for a URL that cannot be used.
    """
    known = histories(app_dir)
    versions = _versions(url)
    unknown = [
        history.label(revision)
        for history in known
        for revision in sorted(versions.get(history.table, frozenset()) - history.parents.keys())
    ]
    if unknown:
        return State(Status.ahead, unknown=tuple(unknown))
    pending: list[str] = []
    for history in known:
        done = history.ancestors(versions.get(history.table, frozenset()))
        pending += [history.label(revision) for revision in history.parents if revision not in done]
    if not pending:
        return State(Status.current)
    return State(Status.behind if any(versions.values()) else Status.empty, pending=tuple(pending))


async def is_current(connection: "AsyncConnection", heads: Heads, known: Heads) -> bool:
    """Tell whether the database has these revisions, or later ones: one statement, for a readiness probe.

    A revision that is not `known` is a later one: while a new version is rolled out, the old goes on
    serving. With no revisions to have, any database that answers is current.
    """
    # Whoever has a connection has loaded SQLAlchemy; this module must not.
    from sqlalchemy import text
    from sqlalchemy.exc import DBAPIError

    wanted = {(table, revision) for table, revisions in heads.items() for revision in revisions}
    # The names are this module's own two constants.
    selects = [f"SELECT '{table}', version_num FROM {table}" for table in sorted(heads) if heads[table]]  # noqa: S608
    if not selects:
        await connection.execute(text("SELECT 1"))
        return True
    try:
        rows = await connection.execute(text(" UNION ALL ".join(selects)))
    except DBAPIError as exc:
        if getattr(exc.orig, "sqlstate", None) == _NO_TABLE or "no such table" in str(exc.orig):
            return False
        raise
    found = {(row[0], row[1]) for row in rows}
    ahead = {table for table, revision in found if revision not in known.get(table, ())}
    return {one for one in wanted if one[0] not in ahead} <= found


def in_thread(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine to its end, also where the caller's own thread has a running event loop."""
    # 60 ms of imports, which a SQLite database does not need.
    import asyncio
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, coroutine).result()


def _history(table: str, directory: Path) -> History:
    parents: dict[str, tuple[str, ...]] = {}
    files: dict[str, str] = {}
    for path in sorted(directory.glob("*.py")):
        if path.name == "__init__.py":
            continue
        revision, after = _read(path)
        if revision in parents:
            raise SchemaError(
                f"{path.name} and {files[revision]}.py are both revision {revision}: "
                "give one the next number, and let its `down_revision` name the other."
            )
        parents[revision] = after
        files[revision] = path.stem
    _require_parents(parents, files)
    return History(table, directory, parents, files)


def _require_parents(parents: Mapping[str, tuple[str, ...]], files: Mapping[str, str]) -> None:
    for revision, after in parents.items():
        for parent in after:
            if parent not in parents:
                raise SchemaError(
                    f"{files[revision]}.py comes after revision {parent}, of which there is no file: "
                    "correct its `down_revision`."
                )


def _read(path: Path) -> tuple[str, tuple[str, ...]]:
    """Return the `revision` and the `down_revision` of a file, which is not executed."""
    try:
        tree = ast.parse(path.read_bytes())
    except (SyntaxError, ValueError) as exc:
        line = getattr(exc, "lineno", None)
        raise SchemaError(f"{path} is not Python{f' (line {line})' if line else ''}: correct it.") from exc
    found: dict[str, Any] = {}
    for name, value in _assignments(tree):
        if name in ("revision", "down_revision"):
            try:
                found[name] = ast.literal_eval(value)
            except ValueError as exc:
                raise SchemaError(f"{path}, line {value.lineno}: write `{name}` as a plain string.") from exc
    if not isinstance(found.get("revision"), str):
        raise SchemaError(f"{path} has no `revision`: give it one, or move it out of the folder.")
    after = found.get("down_revision")
    if after is None:
        return found["revision"], ()
    return found["revision"], (after,) if isinstance(after, str) else tuple(after)


def _assignments(tree: ast.Module) -> Iterator[tuple[str, ast.expr]]:
    for node in tree.body:
        if isinstance(node, ast.Assign):
            for target in node.targets:
                if isinstance(target, ast.Name):
                    yield target.id, node.value
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.value is not None:
            yield node.target.id, node.value


def _versions(url: str) -> dict[str, frozenset[str]]:
    """Ask a database for the revisions it has, by version table; empty where it has no such table."""
    sqlite = _SQLITE.match(url)
    if sqlite and ":memory:" not in url and "mode=memory" not in url:
        return _sqlite_versions(Path(sqlite["path"]))
    if _POSTGRESQL.match(url) and find_spec("asyncpg") is not None:  # the postgres extra brings it
        return in_thread(_postgresql_versions(_POSTGRESQL.sub("postgresql", url)))
    _refuse(url)
    raise SchemaError("DATABASE_URL cannot be used: write it like sqlite:///./app.db.")


def _refuse(url: str) -> None:
    """Let the parser of URLs, which knows every reason, say why this one cannot be used."""
    from stanchion.database.url import parse  # SQLAlchemy: paid for on failure alone

    parse(url)


def _sqlite_versions(path: Path) -> dict[str, frozenset[str]]:
    if not path.exists():
        return {}
    try:
        connection = sqlite3.connect(f"file:{quote(str(path))}?mode=ro", uri=True, timeout=10)
        try:
            names = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
            tables = {name for (name,) in names} & {LIBRARY_TABLE, APP_TABLE}
            return {
                table: frozenset(row[0] for row in connection.execute(f"SELECT version_num FROM {table}"))  # noqa: S608
                for table in tables
            }
        finally:
            connection.close()
    except sqlite3.Error as exc:
        raise SchemaError(
            f"{path} cannot be read as a SQLite database ({exc}): correct DATABASE_URL."
        ) from exc


async def _postgresql_versions(dsn: str) -> dict[str, frozenset[str]]:
    import asyncpg  # optional

    try:
        connection = await asyncpg.connect(dsn, timeout=10)
        try:
            found: dict[str, frozenset[str]] = {}
            for table in (LIBRARY_TABLE, APP_TABLE):
                if await connection.fetchval("SELECT to_regclass($1)", table) is not None:
                    rows = await connection.fetch(f"SELECT version_num FROM {table}")  # noqa: S608
                    found[table] = frozenset(row[0] for row in rows)
            return found
        finally:
            await connection.close()
    except (OSError, TimeoutError, ValueError, asyncpg.PostgresError, asyncpg.InterfaceError) as exc:
        reason = str(exc) or type(exc).__name__
        raise SchemaError(
            f"The database does not answer ({reason}): start it, or correct DATABASE_URL."
        ) from exc


def _listed(names: tuple[str, ...]) -> str:
    return f"revision{'s' if len(names) > 1 else ''} {', '.join(names)}"
