"""Migrations on both databases: what runs, what is compared, what is written, and two processes at once."""

import asyncio
import importlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import MetaData, inspect, text
from sqlalchemy.orm import registry
from sqlmodel import SQLModel

from stanchion.database import Database, DatabaseURLError, migrations
from stanchion.database.changes import metadata as change_metadata
from stanchion.database.schema import SchemaError, Status, heads, state
from stanchion.idempotency.store import metadata as reply_metadata
from stanchion.jobs.table import metadata as job_metadata
from stanchion.security.keys import metadata as key_metadata

LIBRARY = [
    "stanchion 0001_api_keys",
    "stanchion 0002_replies",
    "stanchion 0003_events",
    "stanchion 0004_jobs",
]
LIBRARY_TABLES = {"stanchion_api_keys", "stanchion_events", "stanchion_jobs", "stanchion_replies"}

MODELS = """
from datetime import datetime
from sqlalchemy import BigInteger, Column, Enum, ForeignKey
from sqlmodel import Field, SQLModel
from stanchion.database import BigID, UTCDateTime, now

class Author(SQLModel, table=True):
    __table_args__ = {"sqlite_autoincrement": True}
    id: int | None = Field(default=None, sa_column=Column(BigID, primary_key=True, autoincrement=True))
    email: str = Field(max_length=254, unique=True)
    bio: str | None = None
    created_at: datetime = Field(default_factory=now, sa_type=UTCDateTime)

class Book(SQLModel, table=True):
    __table_args__ = {"sqlite_autoincrement": True}
    id: int | None = Field(default=None, sa_column=Column(BigID, primary_key=True, autoincrement=True))
    author_id: int = Field(
        sa_column=Column(BigInteger, ForeignKey("author.id", ondelete="CASCADE"), index=True)
    )
    kind: str = Field(sa_column=Column(Enum("a", "b", name="kind", native_enum=False, length=10)))
"""

FIRST = """
import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade():
    op.create_table("first", sa.Column("id", sa.Integer, primary_key=True))
"""
SECOND = """
from typing import Sequence, Union
from alembic import op

revision: str = "0002"
down_revision: Union[str, Sequence[str], None] = "0001"


def upgrade():
    op.execute("INSERT INTO first (id) VALUES (7)")
    {rest}
"""


@pytest.fixture
def app(tmp_path: Path) -> Path:
    """An app without models and revisions."""
    directory = tmp_path / "an app %(with)s: an odd name"
    (directory / "migrations" / "versions").mkdir(parents=True)
    return directory


@pytest.fixture
def models(app: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Write the app's models, and forget those that were imported before."""

    def write(source: str) -> None:
        metadata = MetaData()
        monkeypatch.setattr(SQLModel, "metadata", metadata)
        monkeypatch.setattr(SQLModel, "_sa_registry", registry(metadata=metadata))
        sys.modules.pop("models", None)
        shutil.rmtree(app / "__pycache__", ignore_errors=True)
        importlib.invalidate_caches()
        (app / "models.py").write_text(source)

    monkeypatch.setitem(sys.modules, "models", None)  # so that it is put back
    return write


def write(app: Path, name: str, source: str) -> None:
    (app / "migrations" / "versions" / name).write_text(source)


def ask(url: str, work: Callable[[Any], Any]) -> Any:
    """Run `work` with a connection, and commit."""

    async def run() -> Any:
        database = Database(url)
        async with database.engine.begin() as connection:
            found = await connection.run_sync(work)
        await database.close()
        return found

    return asyncio.run(run())


def sql(url: str, statement: str) -> list[Any]:
    def work(connection: Any) -> list[Any]:
        result = connection.execute(text(statement))
        return list(result.scalars()) if result.returns_rows else []

    found: list[Any] = ask(url, work)
    return found


def tables(url: str) -> set[str]:
    return set(ask(url, lambda connection: inspect(connection).get_table_names()))


def test_the_librarys_tables_are_those_of_its_code(database_url: str, app: Path) -> None:
    assert migrations.upgrade(database_url, app) == LIBRARY
    assert tables(database_url) == LIBRARY_TABLES | {"stanchion_version", "alembic_version"}

    own = MetaData()
    for metadata in (key_metadata, reply_metadata, change_metadata, job_metadata):
        for table in metadata.sorted_tables:
            table.to_metadata(own)

    def compare(connection: Any) -> Any:
        options = {"compare_type": True, "include_name": lambda name, *_: name != "alembic_version"}
        context = MigrationContext.configure(
            connection, opts={"version_table": "stanchion_version", **options}
        )
        return compare_metadata(context, own)

    assert ask(database_url, compare) == []


def test_both_histories_run_once(database_url: str, app: Path) -> None:
    write(app, "0001_first.py", FIRST)
    write(app, "0002_second.py", SECOND.format(rest=""))
    assert state(database_url, app).status is Status.empty
    assert migrations.check(database_url, app) == [
        *(f"revision {label} has not run" for label in LIBRARY),
        "revision 0001_first has not run",
        "revision 0002_second has not run",
    ]
    assert migrations.upgrade(database_url, app) == [*LIBRARY, "0001_first", "0002_second"]
    assert sql(database_url, "SELECT id FROM first") == [7]
    assert state(database_url, app).status is Status.current
    assert state(database_url, app).advice == ""
    assert migrations.upgrade(database_url, app) == []


def test_a_revision_that_fails_changes_nothing(database_url: str, app: Path) -> None:
    write(app, "0001_first.py", FIRST)
    write(app, "0002_second.py", SECOND.format(rest="op.drop_table('nowhere')"))
    with pytest.raises(SchemaError, match=r"^0002_second\.py, line 11: .*nowhere.*\.$"):
        migrations.upgrade(database_url, app)
    assert tables(database_url) == LIBRARY_TABLES | {"stanchion_version"}
    assert state(database_url, app).status is Status.behind
    assert state(database_url, app).pending == ("0001_first", "0002_second")
    assert state(database_url, app).advice == "The database's schema is behind: run `stanchion migrate`."

    write(app, "0002_second.py", SECOND.format(rest="raise ValueError('no.')"))
    with pytest.raises(SchemaError, match=r"^0002_second\.py, line 11: ValueError: no\.$"):
        migrations.upgrade(database_url, app)


def test_a_database_that_is_ahead(database_url: str, app: Path, models: Callable[[str], None]) -> None:
    models("")
    write(app, "0001_first.py", FIRST)
    migrations.upgrade(database_url, app)
    sql(database_url, "UPDATE alembic_version SET version_num = '0009'")
    found = state(database_url, app)
    assert (found.status, found.unknown) == (Status.ahead, ("0009",))
    sentence = "^The database's schema is ahead: it has revision 0009, unknown to this code; use the code"
    for work in (migrations.upgrade, migrations.check, partial(migrations.revision, message="more")):
        with pytest.raises(SchemaError, match=sentence):
            work(database_url, app)

    sql(database_url, "UPDATE stanchion_version SET version_num = '0008'")
    assert state(database_url, app).unknown == ("stanchion 0008", "0009")


@pytest.mark.anyio
async def test_is_current_for_a_probe(database_url: str, app: Path) -> None:
    write(app, "0001_first.py", FIRST)
    database = Database(database_url, app_dir=app)
    assert await database.schema_is_current() is False
    await asyncio.to_thread(migrations.upgrade, database_url, app)
    assert await database.schema_is_current() is True
    write(app, "0002_second.py", SECOND.format(rest=""))
    later = Database(database_url, app_dir=app)
    assert await later.schema_is_current() is False
    await database.close()
    await later.close()


@pytest.mark.slow
def test_processes_that_migrate_at_once(database_url: str, app: Path) -> None:
    write(app, "0001_first.py", FIRST)
    write(app, "0002_second.py", SECOND.format(rest="import time; time.sleep(0.3)"))
    code = (
        "import sys; from pathlib import Path; from stanchion.database.migrations import upgrade; "
        "print(*upgrade(sys.argv[1], Path(sys.argv[2])), sep='\\n')"
    )
    command = [sys.executable, "-c", code, database_url, str(app)]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    ran = [line for process in processes for line in process.communicate(timeout=60)[0].split("\n") if line]
    assert [process.returncode for process in processes] == [0, 0, 0]
    assert sorted(ran) == ["0001_first", "0002_second", *LIBRARY]
    assert sql(database_url, "SELECT id FROM first") == [7]


def test_a_revision_for_rows_does_nothing_yet(
    database_url: str, app: Path, models: Callable[[str], None]
) -> None:
    migrations.upgrade(database_url, app)
    models(MODELS)
    path = migrations.revision(database_url, app, "rows", empty=True)
    assert path is not None
    assert ('revision = "0001"' in path.read_text(), "op." in path.read_text()) == (True, False)
    assert migrations.upgrade(database_url, app) == ["0001_rows"]


def test_revisions_follow_the_models(database_url: str, app: Path, models: Callable[[str], None]) -> None:
    models(MODELS)
    with pytest.raises(SchemaError, match="is empty: run `stanchion migrate`"):
        migrations.revision(database_url, app, "too soon")
    migrations.upgrade(database_url, app)
    assert migrations.check(database_url, app) == [
        "table author is in models.py, but not in the database",
        "table book is in models.py, but not in the database",
        "index ix_book_author_id on book (author_id) is in models.py, but not in the database",
    ]

    path = migrations.revision(database_url, app, 'Authors & their "books"')
    assert path == app / "migrations" / "versions" / "0001_authors_their_books.py"
    source = path.read_text()
    assert source.startswith(
        '"""Authors & their \'books\'."""\n\nimport sqlalchemy as sa\nfrom alembic import op\n'
    )
    assert '\nfrom stanchion.database import BigID, UTCDateTime\n\nrevision = "0001"\n' in source
    assert "stanchion_" not in source
    assert "sqlmodel" not in source
    assert "sa.String(length=254)" in source
    assert "sqlite_autoincrement=True" in source
    assert migrations.upgrade(database_url, app) == ["0001_authors_their_books"]
    assert migrations.check(database_url, app) == []
    assert migrations.revision(database_url, app, "nothing") is None
    assert heads(app) == {"stanchion_version": {"0004"}, "alembic_version": {"0001"}}

    sql(database_url, "INSERT INTO author (email, created_at) VALUES ('a', '2026-01-01T00:00:00.000000Z')")
    sql(database_url, "INSERT INTO book (author_id, kind) VALUES (1, 'a')")
    changed = MODELS.replace("max_length=254, unique=True", "max_length=300")
    changed = changed.replace("bio: str | None = None", "pages: int | None = Field(default=None, index=True)")
    changed = changed.replace("length=10)))", "length=10), nullable=False))")
    models(changed)
    assert set(migrations.check(database_url, app)) == {
        "column author.bio is in the database, but not in models.py",
        "column author.pages is in models.py, but not in the database",
        "index ix_author_pages on author (pages) is in models.py, but not in the database",
        "column author.email has the type VARCHAR(254) in the database, and VARCHAR(300) in models.py",
        "constraint uq_author_email on author (email) is in the database, but not in models.py",
        "column book.kind may be NULL in the database, and is NOT NULL in models.py",
    }
    path = migrations.revision(database_url, app, "pages")
    assert path is not None
    assert path.name == "0002_pages.py"
    assert migrations.upgrade(database_url, app) == ["0002_pages"]
    assert migrations.check(database_url, app) == []
    # Batch mode on SQLite drops and copies `author`, of which `book` is the child.
    assert sql(database_url, "SELECT author_id FROM book") == [1]


def test_a_foreign_key_that_goes(database_url: str, app: Path, models: Callable[[str], None]) -> None:
    models(MODELS)
    migrations.upgrade(database_url, app)
    migrations.revision(database_url, app, "first")
    migrations.upgrade(database_url, app)
    models(MODELS.replace('ForeignKey("author.id", ondelete="CASCADE"), ', ""))
    assert migrations.check(database_url, app) == [
        "foreign key fk_book_author_id_author on book (author_id) is in the database, but not in models.py"
    ]
    migrations.revision(database_url, app, "no key")
    migrations.upgrade(database_url, app)
    assert migrations.check(database_url, app) == []


def test_a_copied_table_gives_no_id_twice(sqlite_url: str, app: Path, models: Callable[[str], None]) -> None:
    models(MODELS)
    migrations.upgrade(sqlite_url, app)
    migrations.revision(sqlite_url, app, "first")
    migrations.upgrade(sqlite_url, app)
    moment = "2026-01-01T00:00:00.000000Z"
    for email in "abc":
        sql(sqlite_url, f"INSERT INTO author (email, created_at) VALUES ('{email}', '{moment}')")
    sql(sqlite_url, "DELETE FROM author WHERE id > 1")
    models(MODELS.replace("bio: str | None = None", "bio: str = ''"))
    migrations.revision(sqlite_url, app, "bio is needed")
    sql(sqlite_url, "UPDATE author SET bio = ''")
    migrations.upgrade(sqlite_url, app)
    sql(sqlite_url, f"INSERT INTO author (email, bio, created_at) VALUES ('d', '', '{moment}')")
    assert sql(sqlite_url, "SELECT id FROM author ORDER BY id") == [1, 4]


def test_rows_without_their_parents_are_not_committed(sqlite_url: str, app: Path) -> None:
    write(
        app,
        "0001_first.py",
        FIRST
        + "    op.execute('CREATE TABLE child (id INTEGER, first_id INTEGER REFERENCES first (id))')\n"
        + "    op.execute('INSERT INTO child VALUES (1, 99)')\n",
    )
    with pytest.raises(SchemaError, match="A row of child would refer to a row of first that is not there"):
        migrations.upgrade(sqlite_url, app)
    assert "child" not in tables(sqlite_url)


def test_an_index_that_is_built_outside_a_transaction(postgresql_url: str, app: Path) -> None:
    build = "op.create_index('ix', 'first', ['id'], postgresql_concurrently=True)"
    rest = f"with op.get_context().autocommit_block(): {build}"
    write(app, "0001_first.py", FIRST)
    write(app, "0002_second.py", SECOND.format(rest=rest))
    assert migrations.upgrade(postgresql_url, app) == [*LIBRARY, "0001_first", "0002_second"]
    assert sql(postgresql_url, "SELECT indexname FROM pg_indexes WHERE indexname = 'ix'") == ["ix"]


def test_numbers_go_on_where_others_stopped(
    sqlite_url: str, app: Path, models: Callable[[str], None]
) -> None:
    models("")
    write(app, "ae10_first.py", FIRST.replace('"0001"', '"ae10"'))
    write(app, "__init__.py", "")
    migrations.upgrade(sqlite_url, app)
    path = migrations.revision(sqlite_url, app, "second")
    assert path is not None
    assert path.name == "0002_second.py"
    assert 'down_revision = "ae10"' in path.read_text()


TEMPLATE = r"""# It's the "house's" own: ${message}
${imports}
import sqlalchemy as sa
from alembic import op

revision: str = ${repr(up_revision)}
down_revision = ${repr(down_revision)}
log = print  # 'that\'s "all"'


def upgrade():
    log('it\'s "up"', end='')  # don't
    ${upgrades if upgrades else "pass"}


def downgrade():
    ${downgrades if downgrades else "pass"}
"""


def test_a_table_is_created_from_its_model_alone(
    database_url: str, app: Path, models: Callable[[str], None]
) -> None:
    models(MODELS)
    path = migrations.creation("author", app, "Add author")
    assert path == app / "migrations" / "versions" / "0001_add_author.py"
    assert "book" not in path.read_text()
    assert path.read_text().startswith(
        '"""Add author."""\n\nimport sqlalchemy as sa\nfrom alembic import op\n'
    )
    (app / "migrations" / "script.py.mako").write_text(TEMPLATE)
    path = migrations.creation("book", app, "Add book", lambda code: f"# there\n{code}")
    lines = path.read_text().splitlines()
    assert lines[:2] == ["# It's the \"house's\" own: Add book", "from stanchion.database import BigID"]
    assert lines[5:8] == [
        "revision: str = '0002'",
        "down_revision = '0001'",
        "log = print  # 'that\\'s \"all\"'",
    ]
    assert lines[11:14] == [
        "    log('it\\'s \"up\"', end='')  # don't",
        "    # there",
        "    op.create_table('book',",
    ]
    assert migrations.upgrade(database_url, app) == [*LIBRARY, "0001_add_author", "0002_add_book"]
    assert migrations.check(database_url, app) == []


def test_a_table_is_not_created_on_a_history_with_two_ends(app: Path, models: Callable[[str], None]) -> None:
    models(MODELS)
    write(app, "0001_first.py", FIRST)
    write(app, "0002_a.py", "revision = '0002'\ndown_revision = '0001'\n")
    write(app, "0003_b.py", "revision = '0003'\ndown_revision = '0001'\n")
    with pytest.raises(SchemaError, match=r"^0002_a and 0003_b both come last: let the `down_revision`"):
        migrations.creation("book", app, "Add book")


def test_a_template_that_fails_is_named(app: Path, models: Callable[[str], None]) -> None:
    models(MODELS)
    (app / "migrations" / "script.py.mako").write_text("${no_such_name.upper()}")
    with pytest.raises(SchemaError, match=r"Template rendering failed"):
        migrations.creation("book", app, "Add book")
    assert list((app / "migrations" / "versions").iterdir()) == []


@pytest.mark.parametrize(
    ("name", "source", "sentence"),
    [
        ("0002_b.py", "revision = (", r"0002_b\.py is not Python \(line 1\): correct it\.$"),
        ("0002_b.py", "a = 1", r"0002_b\.py has no `revision`: give it one"),
        ("0002_b.py", "x = '2'\nrevision = x", r"0002_b\.py, line 2: write `revision` as a plain string\.$"),
        (
            "0002_b.py",
            FIRST,
            r"^0002_b\.py and 0001_first\.py are both revision 0001: give one the next number",
        ),
        (
            "0003_b.py",
            "revision = '0003'\ndown_revision = ('0002',)",
            r"^0003_b\.py comes after revision 0002, of which there is no file: correct its `down_revision`",
        ),
    ],
)
def test_a_file_that_is_broken(sqlite_url: str, app: Path, name: str, source: str, sentence: str) -> None:
    write(app, "0001_first.py", FIRST)
    write(app, name, source)
    with pytest.raises(SchemaError, match=sentence):
        state(sqlite_url, app)


def test_two_revisions_that_come_last(sqlite_url: str, app: Path, models: Callable[[str], None]) -> None:
    models("")
    write(app, "0001_first.py", FIRST)
    for number in ("0002", "0003"):
        write(app, f"{number}_b.py", f"revision = '{number}'\ndown_revision = '0001'\ndef upgrade(): pass")
    migrations.upgrade(sqlite_url, app)
    assert state(sqlite_url, app).status is Status.current
    with pytest.raises(
        SchemaError, match=r"^0002_b and 0003_b both come last: let the `down_revision` of one"
    ):
        migrations.revision(sqlite_url, app, "more")
    write(app, "0004_merge.py", "revision = '0004'\ndown_revision = ('0002', '0003')\ndef upgrade(): pass")
    assert state(sqlite_url, app).pending == ("0004_merge",)
    assert migrations.upgrade(sqlite_url, app) == ["0004_merge"]


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        (
            "import nowhere_at_all",
            r"^models\.py, line 1: ModuleNotFoundError: No module named 'nowhere_at_all'\.$",
        ),
        ("a = 1\nb = (", r"^models\.py, line 2: SyntaxError: '\(' was never closed\.$"),
    ],
)
def test_models_that_cannot_be_imported(
    sqlite_url: str, app: Path, models: Callable[[str], None], source: str, sentence: str
) -> None:
    migrations.upgrade(sqlite_url, app)
    with pytest.raises(SchemaError, match=r"^There is no models\.py in .*: name the app's directory"):
        migrations.check(sqlite_url, app)
    models(source)
    with pytest.raises(SchemaError, match=sentence):
        migrations.check(sqlite_url, app)


def test_a_message_without_a_word(sqlite_url: str, app: Path) -> None:
    with pytest.raises(SchemaError, match="The message is empty: say what changed"):
        migrations.revision(sqlite_url, app, " -! ")


def test_a_database_that_cannot_be_used(tmp_path: Path, app: Path) -> None:
    (tmp_path / "text.db").write_text("this is no database, and it is long enough to be looked at" * 20)
    with pytest.raises(
        SchemaError, match=r"text\.db cannot be read as a SQLite database \(file is not a database\)"
    ):
        state(f"sqlite:///{tmp_path}/text.db", app)
    with pytest.raises(
        SchemaError, match=r"a\.db cannot be opened \(unable to open database file\): correct"
    ):
        migrations.upgrade(f"sqlite:///{tmp_path}/nowhere/a.db", app)
    with pytest.raises(SchemaError, match=r"^The database does not answer \(.+\): start it, or correct"):
        state("postgresql://nobody@127.0.0.1:1/nothing", app)


@pytest.mark.parametrize("url", ["sqlite:///:memory:", "sqlite://a/b.db", "mysql://localhost/a", "rubbish"])
def test_a_url_that_cannot_be_used(app: Path, url: str) -> None:
    with pytest.raises(DatabaseURLError):
        state(url, app)


def test_the_state_is_read_without_sqlalchemy(sqlite_url: str, app: Path) -> None:
    migrations.upgrade(sqlite_url, app)
    code = (
        "import sys; from pathlib import Path; from stanchion.database.schema import state; "
        "print(state(sys.argv[1], Path(sys.argv[2])).status, *sys.modules)"
    )
    command = [sys.executable, "-c", code, sqlite_url, str(app)]
    said = subprocess.run(command, capture_output=True, text=True, check=True, env=os.environ).stdout.split()
    assert said[0] == "current"
    assert not {"sqlalchemy", "alembic", "fastapi", "pydantic", "asyncio"} & set(said)
