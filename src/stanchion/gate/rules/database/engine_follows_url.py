"""
# D08: the engine follows DATABASE_URL

## What it does
Imports the app once more, in the copy, with another `DATABASE_URL`, and with another value of every
variable that holds a database's URL. Nothing is asked of the other database. Where the code reads no such
variable, and the engine's URL is the same as before, it follows nothing. A URL that stands in the code as
it is is D01's.

## Why it is bad
Tests, staging and production are told apart by that variable. An engine that does not look at it connects
to the one database that was in somebody's mind, with the data of whoever runs it.

## Example
```python
def database_url() -> str:
    return f"sqlite:///{Path.home()}/todos.db"


engine = create_engine(database_url())
```

## Use instead
```python
class Settings(BaseSettings):
    DATABASE_URL: str

engine = create_engine(Settings().DATABASE_URL)
```
"""

import ast
import re
from collections.abc import Iterator, Mapping
from urllib.parse import urlsplit, urlunsplit

from stanchion.gate.model import Finding, Kind, Line, NotChecked, Severity, Verdict, rule
from stanchion.gate.names import dotted, last, origin
from stanchion.gate.rules.code.incomplete_env_example import reads, settings_classes
from stanchion.gate.rules.database.url_in_code import url_in_code
from stanchion.gate.source import Module, without_secrets
from stanchion.gate.subject import Subject

_URL = re.compile(r"(sqlite|postgres(ql)?|mysql|mariadb|oracle|mssql|cockroachdb)(\+\w+)?://", re.IGNORECASE)
_OF_A_DATABASE = re.compile(r"database|db|postgres|pg|mysql|maria|sql|dsn|ur[il]|conn|host", re.IGNORECASE)
_UNSEEN = re.compile(
    r"\benviron\b(?!\s*(\[|\.get\()\s*[\"'])|\bgetenv\b(?!\s*\(\s*[\"'])|starlette\.config|"
    r"\b(configparser|decouple|dynaconf|environs|goodconf|hydra|omegaconf|tomllib|yaml)\b"
)
_IN_MEMORY = re.compile(r"sqlite(\+\w+)?://(/?$|/:memory:)|.*mode=memory", re.IGNORECASE)
_OTHER = "stanchion_other"


@rule(
    "D08",
    "The engine follows DATABASE_URL",
    severity=Severity.major,
    kind=Kind.instrumented,
    line=Line.database_url,
)
def engine_follows_url(subject: Subject) -> Iterator[Finding]:
    """Compare the engines' URLs with those of a process that is told of another database."""
    if subject.again is None:
        raise NotChecked("it imports the app: name the project's folder")
    if any(url_in_code.check(subject)):
        raise NotChecked("the URL is written in the code: see D01", applies=False)
    running = subject.running
    before = _naming(running.live.engines())
    variables = _others(running.environment, before[0])
    started = subject.again(variables)
    if not started:
        raise NotChecked("the engine is made by the first request, and none is sent to the other database")
    after = _naming(started)
    if after != before:
        return
    served = [module for module in subject.code if not module.is_aside]
    if (unclear := _reading(served)) is not None:
        raise NotChecked(f"the engine does not follow DATABASE_URL, but the code reads {unclear}")
    module, call = _made(served) or (None, None)
    said = without_secrets(variables["DATABASE_URL"])
    yield Finding(
        message="The engine's URL is the same, whatever DATABASE_URL says.",
        verdict=Verdict.proven,
        file=module.path if module else subject.app.file,
        line=call.lineno if call else 0,
        evidence=f"with DATABASE_URL={said} the engine's URL is {after[0]}",
        advice="Read DATABASE_URL from the environment, and make the engine of it.",
    )


def _naming(urls: list[str]) -> list[str]:
    """Return the URLs that name a database; raises NotChecked where none does."""
    if not urls:
        raise NotChecked("no engine of SQLAlchemy was made", applies=False)
    if all(_IN_MEMORY.match(one) for one in urls):
        raise NotChecked("the database is in memory", applies=False)
    found = [one for one in urls if not _IN_MEMORY.match(one) and urlsplit(one).path.strip("/")]
    if not found:
        raise NotChecked(f"the engine's URL, {urls[0]}, names no database: it gets its connections elsewhere")
    return found


def _others(environment: Mapping[str, str], engine: str) -> dict[str, str]:
    """Return the variables of a database's URL, each with another database of the same kind."""
    named = {name: value for name, value in environment.items() if _URL.match(value)}
    return {name: _other(value) for name, value in {"DATABASE_URL": engine, **named}.items()}


def _other(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme.startswith("sqlite"):
        return f"{parts.scheme}:///./{_OTHER}.db"
    return urlunsplit(parts._replace(path=f"/{_OTHER}"))


def _reading(modules: list[Module]) -> str | None:
    """Return what the code reads that may be the database's URL, or a part of it."""
    for module in modules:
        if found := _UNSEEN.search(module.text):
            return f"the environment in {module.path} ({found[0].strip()})"
        for node in module.walk():
            if isinstance(node, ast.ClassDef) and any(
                _is_of_library(modules, module, one) for one in node.bases
            ):
                return f"{node.name}, whose fields are those of a library too"
    names = [name for one in reads(modules) for name in one.names]
    names += [name for one in settings_classes(modules).values() for name in one.fields]
    return next((name for name in names if _OF_A_DATABASE.search(name)), None)


def _is_of_library(modules: list[Module], module: Module, base: ast.expr) -> bool:
    """Tell whether it is the settings class of a library, other than pydantic-settings' own."""
    name = dotted(module, base)
    of_settings = name.endswith("Settings") and not name.endswith(".BaseSettings")
    return of_settings and "." in name and origin(modules, name) is None


def _made(modules: list[Module]) -> tuple[Module, ast.Call] | None:
    """Return where an engine is made."""
    for module in modules:
        for node in module.walk():
            if isinstance(node, ast.Call) and last(node.func) in ("create_engine", "create_async_engine"):
                return module, node
    return None
