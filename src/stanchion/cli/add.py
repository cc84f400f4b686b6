"""`stanchion add`: a new resource in a project, from its table to its tests."""

import re
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Annotated

import typer

from stanchion.cli.environment import Environment
from stanchion.cli.failure import Failure
from stanchion.cli.options import AppDir, require_app
from stanchion.scaffold import ScaffoldError

_EXISTENCE = re.compile(r"(table|column) \S+ is in ")
_UNTOLD = (
    "whether models.py had changed before cannot be told without the project's own database: "
    "`stanchion migrate --check` tells, when this revision has run."
)


def add(
    name: Annotated[str, typer.Argument(help="The name of one, like invoice.")],
    fields: Annotated[
        list[str],
        typer.Argument(
            metavar="FIELD:TYPE...",
            help="Its fields: str, text, int, bigint, float, decimal, bool, date, datetime, time, uuid, "
            "email, enum(a,b), choice:a|b, ref:TABLE; '?' for optional, ':unique', '=' and a default.",
        ),
    ],
    plural: Annotated[str, typer.Option(metavar="NAME", help="The name of many, where it is odd.")] = "",
    app_dir: AppDir = Path(),
) -> None:
    """Add a resource: its model, schemas, router, migration and tests."""
    from stanchion.scaffold.addition import Addition
    from stanchion.scaffold.fields import parse
    from stanchion.scaffold.names import Names

    folder = require_app(app_dir)
    try:
        names = Names.of(name, plural)
        addition = Addition.plan(folder, names, parse(fields))
        if addition.is_there:
            typer.echo(f"{names.model} is there already, just so: nothing has changed.")
            return
        changed = addition.changed
        file, text, note = _revision(folder, addition.texts["models.py"], names.many)
        addition.write(file, text)
    except ScaffoldError as exc:
        raise Failure(str(exc)) from exc
    for written in [*addition.texts, f"migrations/versions/{file}"]:
        typer.echo(f"{'Changed' if written in changed else 'Wrote'} {written}")
    if note:
        typer.echo(f"Note: {note}")
    for line in addition.unguarded:
        typer.echo(
            f"Note: {line}; refuse that where it matters, with `authorize` in routers/{names.many}.py."
        )
    typer.echo(
        f"\n{names.model} is at {names.path}. Read the revision, then:\n\n    stanchion migrate\n    pytest"
    )


def _revision(folder: Path, models: str, table: str) -> tuple[str, str, str]:
    """Return the name and text of the revision that creates a table of these models; and a note, or nothing.

    It comes from the model alone, so that the project's history may be of any database. Raises SchemaError
    where it cannot be written, and Failure where the models had changed already.
    """
    from stanchion.database import migrations
    from stanchion.scaffold.revision import tidied

    with tempfile.TemporaryDirectory() as temporary:
        scratch = Path(temporary).resolve()
        shutil.copytree(
            folder / "migrations", scratch / "migrations", ignore=shutil.ignore_patterns("__pycache__")
        )
        (scratch / "models.py").write_text(models, encoding="utf-8", newline="\n")
        sys.path.insert(0, str(folder))  # what models.py imports is beside it
        try:
            note = _check(scratch, table)
            path = migrations.creation(table, scratch, f"Add {table}", tidied)
        finally:
            sys.path.remove(str(folder))
        return path.name, path.read_text(encoding="utf-8"), note


def _check(scratch: Path, table: str) -> str:
    """Refuse models that have changed already; return a note where that cannot be told.

    All revisions run on a scratch SQLite database, and what they make is compared. Where the project's own
    database is another kind, they may not run there, or make something else: then a table or a column that
    is there or not is all that counts. Raises Failure, and SchemaError where a revision of SQLite's fails.
    """
    from sqlalchemy.exc import CompileError

    from stanchion.database import migrations
    from stanchion.database.schema import SchemaError, versions_directory

    is_its_own = (Environment().get("DATABASE_URL") or "sqlite").startswith("sqlite")
    url = f"sqlite:///{scratch / 'scratch.db'}"
    try:
        migrations.upgrade(url, scratch)
        differences = migrations.check(url, scratch)
    except (SchemaError, CompileError):
        if is_its_own:
            raise
        return _UNTOLD
    own = (f"table {table} is in models.py", f"on {table} (")
    others = [line for line in differences if not any(part in line for part in own)]
    certain = others
    if not is_its_own:
        texts = (path.read_text(encoding="utf-8") for path in versions_directory(scratch).glob("*.py"))
        is_conditional = any("dialect" in text for text in texts)
        certain = [] if is_conditional else [line for line in others if _EXISTENCE.match(line)]
    if certain:
        raise Failure(
            f"models.py has changed already ({certain[0]}): run `stanchion migrate new` and migrate first."
        )
    return _UNTOLD if others else ""
