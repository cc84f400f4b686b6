"""What apps of others have shown: nothing is proven of them that is not so, and they run as they are."""

import base64
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from stanchion.gate import Finding, Project, Report, Result, Rule, Severity, Verdict, all_rules, check
from stanchion.gate.model import Kind, Line
from stanchion.gate.process import Agent, AgentError
from stanchion.gate.rules.database.connections_reused import _keeps_none
from stanchion.gate.rules.http.get_changes_nothing import _is_kept_of_it
from stanchion.gate.rules.security.key_compared_with_equals import key_compared_with_equals
from stanchion.gate.rules.security.wrong_key_refused import _other
from stanchion.gate.source import Source
from stanchion.gate.subject import Document, Loaded, Operation, Route, Subject
from stanchion.gate.values import Values

BASE64 = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


def run(root: Path, *ids: str, **files: str) -> dict[str, Result]:
    for name, text in files.items():
        (root / f"{name}.py").write_text(text)
    rules = [one for one in all_rules() if one.id in ids]
    return {one.rule.id: one for one in check(Project.find(root, entry="main:app"), rules=rules).results}


def read(root: Path, one: Rule, text: str) -> list[Finding]:
    """Return what a rule finds in the text alone."""
    (root / "main.py").write_text(text)
    return list(one.check(Subject(source=Source(root))))


SERVED_AT_IMPORT = """
import threading

import uvicorn
from fastapi import FastAPI

app = FastAPI()
thread = threading.get_ident()


@app.get("/thread")
async def read_thread() -> bool:
    return threading.get_ident() == thread


uvicorn.run(app, port=1)
"""


def _ask(subject: Subject) -> Iterable[Finding]:
    exchange = subject.running.ask(subject.document.operations[0])
    yield Finding(message=exchange.content.decode(), verdict=Verdict.proven)


THREAD = Rule("X01", "It runs", Severity.information, Kind.live, Line.docs, _ask, "")


@pytest.mark.slow
def test_a_module_that_serves_its_app_is_imported_all_the_same(tmp_path: Path) -> None:
    (result,) = run(tmp_path, "C06", main=SERVED_AT_IMPORT).values()
    assert [(one.message, one.verdict) for one in result.findings] == [
        ("Importing the app starts a server.", Verdict.proven)
    ]


@pytest.mark.slow
def test_the_app_is_served_in_the_thread_that_imported_it(tmp_path: Path) -> None:
    (tmp_path / "main.py").write_text(SERVED_AT_IMPORT)
    (result,) = check(Project.find(tmp_path), rules=[THREAD]).results
    assert [one.message for one in result.findings] == ["true"]


@pytest.mark.slow
def test_an_import_without_an_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stanchion.gate.process._LONGEST", 2.0)
    (tmp_path / "main.py").write_text(
        "import time\n\nfrom fastapi import FastAPI\n\napp = FastAPI()\ntime.sleep(60)\n"
    )
    report: Report = check(Project.find(tmp_path), rules=[THREAD])
    assert report.error == "cannot be imported: the app did not answer in 2 seconds: it was asked to load"


@pytest.mark.slow
def test_a_module_is_run_with_the_folder_on_its_path(tmp_path: Path) -> None:
    import os
    import sys

    (tmp_path / "shop.py").write_text("price = 3\n")
    (tmp_path / "tool.py").write_text("import shop\n\nassert shop.price == 3\n")
    with Agent(sys.executable, directory=tmp_path, environment=os.environ) as agent:
        assert agent.ask("run_module", name="tool", arguments=[]) == "done"
        with pytest.raises(AgentError, match="no_such_tool"):
            agent.ask("run_module", name="no_such_tool", arguments=[])


@pytest.mark.parametrize("last", BASE64)
def test_the_last_digit_of_a_jwt_is_another_after_decoding(last: str) -> None:
    """Of the last of 43 digits four bits count."""
    first, other = (base64.urlsafe_b64decode(f"{'A' * 42}{one}=") for one in (last, _other(last)))
    assert first != other


QUERIES = """
def find(session, x_token: str = Header()):
    session.query(User).filter(and_(User.token == x_token, User.active))
    session.exec(select(User).where(User.token == x_token))
    return x_token {0} settings.TOKEN
"""


def test_s04_what_a_database_compares(tmp_path: Path) -> None:
    assert read(tmp_path, key_compared_with_equals, QUERIES.format("is")) == []
    (found,) = read(tmp_path, key_compared_with_equals, QUERIES.format("=="))
    assert (found.line, found.verdict) == (5, Verdict.proven)


CORS = """
from fastapi import FastAPI
from fastapi.middleware.cors import CORSMiddleware

app = FastAPI()
app.add_middleware(CORSMiddleware, allow_origins=[""], allow_credentials=True)


@app.get("/things")
def list_things() -> list[str]:
    return []
"""


@pytest.mark.slow
def test_an_origin_that_is_empty_is_none(tmp_path: Path) -> None:
    found = run(tmp_path, "S01", "S02", main=CORS)
    assert (found["S01"].findings, found["S01"].reason) == ((), "")
    assert found["S02"].reason == "CORSMiddleware names no origin here: give it one with --env"


PAGES = """
from fastapi import FastAPI
from fastapi.responses import HTMLResponse

app = FastAPI()


@app.get("/", response_class=HTMLResponse)
def home() -> str:
    return "<p>Hello</p>"
"""


@pytest.mark.slow
def test_an_app_with_its_own_pages_needs_no_cors_and_one_that_opens_nothing_no_lifespan(
    tmp_path: Path,
) -> None:
    found = run(tmp_path, "L01", "S02", main=PAGES)
    assert found["L01"].findings == ()
    assert (found["S02"].applies, found["S02"].findings) == (False, ())
    found = run(tmp_path, "L01", main=f"import sqlite3\n{CORS}")
    assert [one.message for one in found["L01"].findings] == ["The app has no lifespan."]


TEMPLATES = """
import fastapi_chameleon
from fastapi import FastAPI
from sqlmodel import SQLModel

app = FastAPI()


class Thing(SQLModel):
    name: str


@app.get("/ok", summary="Health check")
def ok() -> Thing:
    return Thing(name="page")
"""
CALLED = "from sqlmodel import create_engine\n\nengine = create_engine('sqlite://')\n"


@pytest.mark.slow
def test_pages_of_a_package_for_templates_and_tables_that_nobody_opens(tmp_path: Path) -> None:
    found = run(tmp_path, "L01", "S02", "C11", main=TEMPLATES, fastapi_chameleon="")
    assert found["L01"].findings == found["C11"].findings == ()
    assert (found["S02"].applies, found["S02"].findings) == (False, ())
    found = run(tmp_path, "L01", main=f"{CALLED}{TEMPLATES}")
    assert [one.message for one in found["L01"].findings] == ["The app has no lifespan."]


PAGE = """
from fastapi import FastAPI
from starlette.responses import Response

app = FastAPI()


@app.get("/")
def home() -> Response:
    return Response("<!doctype html>", media_type="text/html")
"""


@pytest.mark.slow
def test_s02_an_answer_that_is_a_page(tmp_path: Path) -> None:
    (result,) = run(tmp_path, "S02", main=PAGE).values()
    assert (result.applies, result.reason) == (False, "/ is a page, of the app's own origin")


RESOLVING = """
import asyncio

from fastapi import FastAPI
from starlette.middleware.base import BaseHTTPMiddleware

app = FastAPI()
app.add_middleware(BaseHTTPMiddleware, dispatch=lambda request, call_next: call_next(request))


@app.get("/ideas")
async def list_ideas() -> int:
    return len(await asyncio.get_running_loop().getaddrinfo("ideas.example.com", 443))


@app.get("/wrong")
async def wrong() -> int:
    return {}["key"]
"""


@pytest.mark.slow
def test_c04_a_name_that_the_gate_did_not_let_resolve_and_what_a_task_group_holds(tmp_path: Path) -> None:
    """The resolver's thread knows no request; a middleware of Starlette's runs the app in a task group."""
    (result,) = run(tmp_path, "C04", main=RESOLVING).values()
    (wrong,) = result.findings
    assert (wrong.operation, wrong.line) == ("GET /wrong", 18)
    assert wrong.message.endswith(": KeyError.")
    assert "it wants to reach ideas.example.com" in result.reason


@pytest.mark.parametrize("rule_id", ["O02", "O03"])
def test_what_a_library_brings_is_not_the_projects_to_describe(rule_id: str) -> None:
    (one,) = (one for one in all_rules() if one.id == rule_id)
    response: dict[str, Any] = {"200": {"content": {"application/json": {"schema": {}}}}}
    paths = {path: {"get": {"summary": "Me", "responses": response}} for path in ("/theirs", "/ours")}
    routes = (Route("GET", "/theirs", "me", "", 1, False), Route("GET", "/ours", "me", "main.py", 1, False))
    loaded = Loaded(document={"paths": paths}, routes=routes)
    assert [found.operation for found in one.check(Subject(loaded=loaded))] == ["GET /ours"]


@pytest.mark.parametrize(
    ("sql", "kept"),
    [
        ("UPDATE links SET views=? WHERE links.id = ?", True),
        ('UPDATE "keys" SET "last_used_at"=?, "updated_at"=? WHERE id = ?', True),
        ("UPDATE links SET views=?, url=? WHERE links.id = ?", False),
        ("INSERT INTO click_stats (browser) VALUES (?)", True),
        ("INSERT INTO orders (count) VALUES (?)", False),
        ("DELETE FROM clicks", False),
        ("SELECT 1", False),
    ],
)
def test_h09_what_only_keeps_that_it_was_asked(sql: str, kept: bool) -> None:
    assert _is_kept_of_it(sql) is kept


LISTED = """
from fastapi import FastAPI, Header, HTTPException
from pydantic import BaseModel

app = FastAPI()
books: list["Book"] = []


class BookCreate(BaseModel):
    title: str
    number: int


class Book(BookCreate):
    id: int


@app.get("/books")
async def list_books() -> dict[str, list[Book]]:
    return {"data": books}


@app.post("/books")
async def create_book(body: BookCreate, x_shop: str = Header()) -> dict[str, str]:
    if any(book.number == body.number for book in books):
        raise HTTPException(409)
    books.append(Book(id=len(books) + 1, **body.model_dump()))
    return {"message": "book added"}


@app.get("/book/{book_id}")
async def read_book(book_id: int) -> Book | None:
    return next((book for book in books if book.id == book_id), None)
"""


@pytest.mark.slow
def test_what_was_made_is_found_in_the_list_and_its_item_under_a_singular(tmp_path: Path) -> None:
    found = run(tmp_path, "H02", "H04", "T02", main=LISTED)
    assert [one.operation for one in found["H02"].findings] == ["POST /books"]
    assert [one.operation for one in found["H04"].findings] == ["GET /book/{book_id}"]
    assert (found["T02"].reason, found["T02"].findings) == ("", ())


def test_numbers_that_are_there_already() -> None:
    values = Values(Document({}))
    schema = {"type": "integer", "examples": [7]}
    assert (values.make(schema), values.make(schema)) == (7, 7)
    values.varied = True
    made = [values.make(schema) for _ in range(3)]
    assert len(set(made)) == 3
    assert min(made) > 1000
    assert values.make({"type": "integer", "maximum": 5}) == 1


BASIC = """
import secrets
from typing import Annotated

from fastapi import Depends, FastAPI, HTTPException
from fastapi.security import HTTPBasic, HTTPBasicCredentials
from pydantic import BaseModel

app = FastAPI()
accounts: dict[str, str] = {}


class Account(BaseModel):
    username: str
    password: str


def check(given: Annotated[HTTPBasicCredentials, Depends(HTTPBasic())]) -> str:
    if accounts.get(given.username) != given.password:
        raise HTTPException(401)
    return given.username


@app.post("/users", status_code=201)
async def sign_up(body: Account) -> str:
    accounts[body.username] = body.password
    return body.username


@app.post("/notes", status_code=201)
async def create_note(user: Annotated[str, Depends(check)]) -> str:
    return user
"""


@pytest.mark.slow
def test_an_account_opens_http_basic_where_nothing_protected_is_read(tmp_path: Path) -> None:
    found = run(tmp_path, "S05", "S06", main=BASIC)
    assert {one.reason for one in found.values()} == {""}
    assert [one.findings for one in found.values()] == [(), ()]


KEYLESS = """
from typing import Annotated

from fastapi import FastAPI, HTTPException, Security
from fastapi.security import APIKeyHeader

app = FastAPI()
Key = Annotated[str | None, Security(APIKeyHeader(name="X-API-Key", auto_error=False))]


@app.get("/mine")
async def mine(key: Key) -> str:
    if key != "nobody-knows":
        raise HTTPException(401)
    return "mine"


@app.get("/forgotten")
async def forgotten(key: Key) -> str:
    return "open"
"""


@pytest.mark.slow
def test_s05_needs_no_key(tmp_path: Path) -> None:
    (result,) = run(tmp_path, "S05", main=KEYLESS).values()
    assert [one.operation for one in result.findings] == ["GET /forgotten"]


ENGINE = """
import os
from pathlib import Path

from sqlalchemy import create_engine

HERE = os.path.dirname(os.path.abspath(__file__))
DATA = Path(os.environ["DATA"])
url = {0}
engine = create_engine(url)
"""


@pytest.mark.parametrize(
    ("url", "lines"),
    [
        ("'sqlite:///' + os.path.join(HERE, 'app.db')", [9]),
        ("f'sqlite+aiosqlite:///{HERE}/app.db'", [9]),
        ("f'sqlite:///{Path(__file__).parent}/app.db'", [9]),
        ("f'sqlite:///{DATA}/app.db'", []),
        ("f'sqlite:///{os.getenv(\"FILE\")}'", []),
        ("f'sqlite:///{settings.file}'", []),
        ("f'{scheme}:///{HERE}/app.db'", []),
    ],
)
def test_d01_a_file_beside_the_code(tmp_path: Path, url: str, lines: list[int]) -> None:
    (one,) = (one for one in all_rules() if one.id == "D01")
    assert [found.line for found in read(tmp_path, one, ENGINE.format(url))] == lines


def test_d02_what_sqlalchemy_1_chooses_by_itself(tmp_path: Path) -> None:
    (tmp_path / "main.py").write_text("engine = create_engine(url)\n")
    for version, chosen in (("1.4.41", True), ("2.0.23", False), ("2.0.49", False), ("", False)):
        loaded = Loaded(versions={"sqlalchemy": version})
        assert _keeps_none(Subject(source=Source(tmp_path), loaded=loaded)) is chosen
    (tmp_path / "main.py").write_text("engine = create_async_engine('sqlite+aiosqlite:///a.db')\n")
    for version, chosen in (("1.4.41", True), ("2.0.23", True), ("2.0.38", False)):
        loaded = Loaded(versions={"sqlalchemy": version})
        assert _keeps_none(Subject(source=Source(tmp_path), loaded=loaded)) is chosen
    (tmp_path / "main.py").write_text("engine = create_engine(url, poolclass=NullPool)\n")
    loaded = Loaded(versions={"sqlalchemy": "1.4.41"})
    assert not _keeps_none(Subject(source=Source(tmp_path), loaded=loaded))


POISONED = """
from fastapi import FastAPI
from pydantic import BaseModel

app = FastAPI()
things: list[str] = []
broken = False


class Thing(BaseModel):
    name: str


@app.post("/things", status_code=201)
def create_thing(body: Thing) -> dict[str, object]:
    global broken
    broken = broken or "\\0" in body.name or {0}
    if broken:
        raise RuntimeError("This transaction has been rolled back")
    things.append(body.name)
    return {{"id": len(things), "name": body.name}}


@app.get("/things/{{thing_id}}")
def read_thing(thing_id: int) -> str:
    if thing_id > 2**40:
        raise OverflowError
    return "thing"
"""


@pytest.mark.slow
@pytest.mark.parametrize("poisoned", ["False", "len(things) > 1"])
def test_h08_what_is_broken_already(tmp_path: Path, poisoned: str) -> None:
    (result,) = run(tmp_path, "H08", main=POISONED.format(poisoned)).values()
    assert [one.operation for one in result.findings] == ["GET /things/{thing_id}"]


EVERYWHERE = """
from fastapi import FastAPI, HTTPException
from pydantic import BaseModel

app = FastAPI()
things: dict[int, str] = {}


class Thing(BaseModel):
    name: str


def find(thing_id: int) -> str:
    thing_id.to_bytes(8, "big", signed=True)
    if thing_id not in things:
        raise HTTPException(404)
    return things[thing_id]


@app.post("/things", status_code=201)
def create_thing(body: Thing) -> dict[str, object]:
    things[len(things) + 1] = body.name
    return {"id": len(things), "name": body.name}


@app.put("/things/{thing_id}")
def replace_thing(thing_id: int, body: Thing) -> str:
    find(thing_id)
    if "\\0" in body.name:
        raise ValueError
    things[thing_id] = body.name
    return body.name


@app.delete("/things/{thing_id}", status_code=204)
def delete_thing(thing_id: int) -> None:
    find(thing_id)
    del things[thing_id]
"""


@pytest.mark.slow
@pytest.mark.parametrize("is_bounded", [False, True])
def test_h08_asks_every_operation_and_shows_what_comes_before(tmp_path: Path, is_bounded: bool) -> None:
    bounded = "abs(thing_id) > 99 or thing_id.to_bytes"
    main = EVERYWHERE.replace("thing_id.to_bytes", bounded) if is_bounded else EVERYWHERE
    (result,) = run(tmp_path, "H08", main=main).values()
    put, *delete = result.findings
    assert put.operation == "PUT /things/{thing_id}"
    assert [one.operation for one in delete] == ([] if is_bounded else ["DELETE /things/{thing_id}"])
    if is_bounded:  # it is the text then, of a thing that has to be there
        created, changed = put.curl.splitlines()
        assert created.startswith("curl -i -X POST http://127.0.0.1:8000/things ")
        assert changed.startswith("curl -i -X PUT http://127.0.0.1:8000/things/")


def test_l03_the_tables_of_fastapi_users(tmp_path: Path) -> None:
    (one,) = (one for one in all_rules() if one.id == "L03")
    text = "import sqlalchemy\n\n\nclass {0}:\n    pass\n"
    assert read(tmp_path, one, text.format("User(SQLAlchemyBaseUserTableUUID, Base)")) == []
    assert len(read(tmp_path, one, text.format("User(Base)"))) == 1


def test_an_operation_that_the_app_does_not_have_is_nobodys() -> None:
    from stanchion.gate.evidence import is_of_library

    subject = Subject(loaded=Loaded(document={"paths": {}}))
    assert not is_of_library(subject, Operation("GET", "/gone", {}))
