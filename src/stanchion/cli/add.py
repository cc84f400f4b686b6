"""`stanchion add`: a new resource in a project, from its table to its tests."""

import shutil
import sys
import tempfile
from pathlib import Path
from typing import Annotated

import typer

from stanchion.cli.failure import Failure
from stanchion.cli.options import AppDir, require_app
from stanchion.scaffold import ScaffoldError


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
        revision = _revision(folder, addition.texts["models.py"], names.many)
        addition.write(*revision)
    except ScaffoldError as exc:
        raise Failure(str(exc)) from exc
    for file in [*addition.texts, f"migrations/versions/{revision[0]}"]:
        typer.echo(f"{'Changed' if file in changed else 'Wrote'} {file}")
    for line in addition.unguarded:
        typer.echo(
            f"Note: {line}; refuse that where it matters, with `authorize` in routers/{names.many}.py."
        )
    typer.echo(
        f"\n{names.model} is at {names.path}. Read the revision, then:\n\n    stanchion migrate\n    pytest"
    )


def _revision(folder: Path, models: str, table: str) -> tuple[str, str]:
    """Return the name and text of the revision that brings the project's history to these models.

    It is made against a scratch SQLite database that has all revisions before it. Raises SchemaError
    where one fails, and Failure where the models had changed already.
    """
    from stanchion.database import migrations
    from stanchion.scaffold.revision import tidied

    with tempfile.TemporaryDirectory() as temporary:
        scratch = Path(temporary).resolve()
        shutil.copytree(
            folder / "migrations", scratch / "migrations", ignore=shutil.ignore_patterns("__pycache__")
        )
        (scratch / "models.py").write_text(models, encoding="utf-8", newline="\n")
        url = f"sqlite:///{scratch / 'scratch.db'}"
        sys.path.insert(0, str(folder))  # what models.py imports is beside it
        try:
            migrations.upgrade(url, scratch)
            _check(migrations.check(url, scratch), table)
            path = migrations.revision(url, scratch, f"Add {table}")
        finally:
            sys.path.remove(str(folder))
        assert path is not None, "a new table changes the schema"
        return path.name, tidied(path.read_text(encoding="utf-8"))


def _check(differences: list[str], table: str) -> None:
    """Refuse a revision that would hold what else has changed."""
    own = (f"table {table} is in models.py", f"on {table} (")
    others = [line for line in differences if not any(part in line for part in own)]
    if others:
        raise Failure(
            f"models.py has changed already ({others[0]}): run `stanchion migrate new` and migrate first."
        )
