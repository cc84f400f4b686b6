"""Who is measured: each subject, how it is started, and what it is asked."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.http.databases import Engine, Original, Schema

from stanchion.scaffold.project import TEMPLATE

FOLDER = Path(__file__).with_name("subjects")
POOL_SIZE = 20
"""Connections to PostgreSQL that each subject keeps open: more than there are clients, so that none waits."""
ROWS = 1000
_SERVICE_KEY = "sk_9f8e7d6c5b4a39281706"

UVICORN = (
    *("-m", "uvicorn", "{app}", "--host", "127.0.0.1", "--port", "{port}"),
    *("--loop", "uvloop", "--http", "httptools", "--no-access-log", "--log-level", "warning"),
)
GUNICORN = (
    *("-m", "gunicorn", "{app}", "--bind", "127.0.0.1:{port}", "--log-level", "warning"),
    *("--workers", "1", "--worker-class", "gthread", "--threads", "4"),
)
STANCHION = (
    *("-m", "stanchion.cli", "run", "--app-dir", str(TEMPLATE), "--host", "127.0.0.1", "--port", "{port}"),
)


@dataclass(frozen=True)
class Subject:
    """A server to be measured. `command` is what its Python is given, with `{app}` and `{port}` in it."""

    name: str
    title: str
    engine: Engine
    app: str = ""
    command: tuple[str, ...] = UVICORN
    schema: Schema = "plain"
    settings: Mapping[str, str] = field(default_factory=dict, hash=False)
    packages: tuple[str, ...] = ()
    """Whose versions are told."""

    @property
    def is_ours(self) -> bool:
        return self.schema == "stanchion"

    def arguments(self, port: int, peers: str) -> list[str]:
        """Return the command: in our own environment, or with `peers`, the interpreter of theirs."""
        python = sys.executable if self.is_ours else peers
        return [python, *(part.format(app=self.app, port=port) for part in self.command)]

    def environment(self, database: Original) -> dict[str, str]:
        """Return what it reads from its environment."""
        common = {"DATABASE_URL": database.url, "PYTHONPATH": str(FOLDER)}
        if self.is_ours:
            own = {"ENVIRONMENT": "production", "API_KEY": _SERVICE_KEY, "LOG_FORMAT": "json"}
            return {
                "DATABASE_URL": database.url,
                "DATABASE_POOL_SIZE": str(POOL_SIZE),
                **own,
                **self.settings,
            }
        return {**common, "POOL_SIZE": str(POOL_SIZE), **self.settings}

    def headers(self, database: Original) -> dict[str, str]:
        """Return what each request carries."""
        return {"X-API-Key": database.key} if database.key else {}


def _django(module: str) -> dict[str, str]:
    return {"SUBJECT": module, **({"REST_FRAMEWORK": "yes"} if module == "django_rest" else {})}


_QUIET = {"LOG_LEVEL": "WARNING"}

SUBJECTS: Sequence[Subject] = (
    Subject(
        "floor",
        "floor: bare ASGI, asyncpg, orjson",
        "postgresql",
        "floor:app",
        packages=("uvicorn", "asyncpg", "orjson"),
    ),
    Subject(
        "stanchion",
        "Stanchion, the template",
        "postgresql",
        command=STANCHION,
        schema="stanchion",
        settings=_QUIET,
    ),
    Subject(
        "stanchion-log",
        "Stanchion, with its access log",
        "postgresql",
        command=STANCHION,
        schema="stanchion",
        settings={"LOG_LEVEL": "INFO"},
    ),
    Subject(
        "sqlmodel-def",
        "FastAPI, SQLModel, `def`",
        "postgresql",
        "sqlmodel_def:app",
        packages=("fastapi", "sqlmodel", "psycopg"),
    ),
    Subject("sqlmodel-async-def", "FastAPI, SQLModel, `async def`", "postgresql", "sqlmodel_async_def:app"),
    Subject(
        "sqlmodel-async-session",
        "FastAPI, SQLModel, AsyncSession",
        "postgresql",
        "sqlmodel_async_session:app",
        packages=("sqlalchemy",),
    ),
    Subject("fastcrud", "FastCRUD", "postgresql", "fastcrud_endpoints:app", packages=("fastcrud",)),
    Subject(
        "litestar",
        "Litestar, advanced-alchemy, msgspec",
        "postgresql",
        "litestar_alchemy:app",
        packages=("litestar", "advanced-alchemy", "msgspec"),
    ),
    Subject(
        "django-rest",
        "Django REST framework",
        "postgresql",
        "django_rest",
        GUNICORN,
        settings=_django("django_rest"),
        packages=("django", "djangorestframework", "gunicorn"),
    ),
    Subject(
        "django-ninja",
        "django-ninja",
        "postgresql",
        "django_ninja_api",
        GUNICORN,
        settings=_django("django_ninja_api"),
        packages=("django-ninja",),
    ),
    Subject("floor", "floor: bare ASGI, sqlite3 in the loop, orjson", "sqlite", "floor_sqlite:app"),
    Subject(
        "stanchion",
        "Stanchion, the template",
        "sqlite",
        command=STANCHION,
        schema="stanchion",
        settings=_QUIET,
    ),
    Subject("sqlmodel-def", "FastAPI, SQLModel, `def`", "sqlite", "sqlmodel_def:app"),
)


def subject(name: str, engine: Engine) -> Subject:
    """Return the subject of that name. Raises StopIteration where there is none."""
    return next(one for one in SUBJECTS if (one.name, one.engine) == (name, engine))
