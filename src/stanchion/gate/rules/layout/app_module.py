"""
# L01: the app has CORS and a lifespan

## What it does
Looks at the imported app for the CORS middleware and for a lifespan.

## Why it is bad
Without CORS no frontend of another origin can read an answer; an app that sends its own pages needs none.
Without a lifespan what the app opens, its engine above all, is closed by nobody; where nothing that stays
open is imported, none is asked for.

## Example
```python
app = FastAPI()
engine = create_engine(settings.DATABASE_URL)
```

## Use instead
```python
@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    yield
    await engine.dispose()

app = FastAPI(lifespan=lifespan)
app.add_middleware(CORSMiddleware, allow_origins=settings.CORS_ORIGINS)
```
"""

import ast
from collections.abc import Iterator

from stanchion.gate.model import Finding, Kind, Line, Severity, Verdict, rule
from stanchion.gate.names import last
from stanchion.gate.origins import has_cors, serves_pages
from stanchion.gate.source import Module
from stanchion.gate.subject import Subject

_OPENED = frozenset(
    {"aiohttp", "aiokafka", "aiomysql", "asyncpg", "databases", "elasticsearch", "httpx", "motor", "peewee"}
    | {
        "psycopg",
        "psycopg2",
        "psycopg_pool",
        "pymongo",
        "redis",
        "sqlite3",
        "tortoise",
    }
)
"""What is opened once and is to be closed: pools, clients."""
_ENGINES = frozenset(
    {"create_engine", "create_async_engine", "engine_from_config", "async_engine_from_config"}
)
"""SQLAlchemy and SQLModel are imported for their types, too."""


@rule(
    "L01",
    "The app has CORS and a lifespan",
    severity=Severity.minor,
    kind=Kind.static,
    line=Line.entry,
)
def app_module(subject: Subject) -> Iterator[Finding]:
    """Look at what was imported."""
    app = subject.app
    missing = [] if has_cors(app) or serves_pages(subject) else ["CORS middleware"]
    if not app.has_lifespan and any(_opens(module) for module in subject.code if not module.is_aside):
        missing.append("lifespan")
    for what in missing:
        yield Finding(
            message=f"The app has no {what}.",
            verdict=Verdict.proven,
            file=app.file,
            evidence=f"{app.entry}: middleware {[one['class'] for one in app.middleware]}",
            advice="Add CORSMiddleware and a lifespan where the app is made.",
        )


def _opens(module: Module) -> bool:
    return bool(module.imports & _OPENED) or any(
        isinstance(node, ast.Call) and last(node.func) in _ENGINES for node in module.walk()
    )
