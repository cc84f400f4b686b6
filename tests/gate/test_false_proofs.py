"""What a review saw proven of apps that are in order is not proven of them."""

from pathlib import Path
from typing import Any

import pytest

from stanchion.gate import Project, Result, Verdict, all_rules, check
from stanchion.gate.evidence import seen
from stanchion.gate.live import Exchange
from stanchion.gate.rules.code.health_answers import _NAMED
from stanchion.gate.rules.contract.created_is_read import is_same
from stanchion.gate.rules.security.errors_tell_nothing import _inside
from stanchion.gate.rules.security.mass_assignment_refused import _offered
from stanchion.gate.sign_in import is_usually_limited, nonsense
from stanchion.gate.subject import Document, Subject


def run(root: Path, app: str, *ids: str) -> dict[str, Result]:
    (root / "main.py").write_text(app)
    rules = [one for one in all_rules() if one.id in ids]
    return {one.rule.id: one for one in check(Project.find(root), rules=rules).results}


def found(result: Result) -> set[tuple[str, str]]:
    return {(one.verdict.value, one.operation) for one in result.findings}


TEAM = """
import time
from contextlib import asynccontextmanager
from secrets import token_urlsafe
from typing import Annotated, Any

from fastapi import BackgroundTasks, Depends, FastAPI, HTTPException
from fastapi.security import OAuth2PasswordBearer
from pydantic import BaseModel, field_validator
from sqlmodel import Field, Session, SQLModel, create_engine, select

engine = create_engine("sqlite:///team.db")
oauth2 = OAuth2PasswordBearer(tokenUrl="token")
maybe = OAuth2PasswordBearer(tokenUrl="token", auto_error=False)
people: dict[str, str] = {}
tokens: dict[str, str] = {}
products: dict[int, dict[str, Any]] = {}
posts: dict[int, dict[str, Any]] = {}
diaries: dict[int, dict[str, Any]] = {}
messages: dict[int, dict[str, Any]] = {}


class Report(SQLModel, table=True):
    id: int | None = Field(default=None, primary_key=True)
    title: str = "none"


class Account(BaseModel):
    username: str
    password: str


class Strict(BaseModel):
    password: str

    @field_validator("password")
    @classmethod
    def is_strong(cls, value: str) -> str:
        if not set(value) & set("!@#"):
            raise ValueError("one of !@#, please")
        return value


class Named(BaseModel):
    name: str


class Message(BaseModel):
    role: str
    content: str


@asynccontextmanager
async def lifespan(app: FastAPI):
    SQLModel.metadata.create_all(engine)
    yield


app = FastAPI(lifespan=lifespan)


def get_session():
    with Session(engine) as session:
        yield session


def current(token: Annotated[str, Depends(oauth2)]) -> str:
    if token not in tokens:
        raise HTTPException(401, "Not signed in")
    return tokens[token]


User = Annotated[str, Depends(current)]
SessionDep = Annotated[Session, Depends(get_session)]


def found(things: dict[int, dict[str, Any]], number: int) -> dict[str, Any]:
    if number not in things:
        raise HTTPException(404, "Please select an item from the list")
    return things[number]


@app.post("/users", status_code=201)
async def create_user(body: Account) -> str:
    people[body.username] = body.password
    return body.username


@app.post("/token")
async def sign_in(body: Account) -> dict[str, str]:
    if people.get(body.username) != body.password:
        raise HTTPException(401, "Wrong")
    token = token_urlsafe(32)
    tokens[token] = body.username
    return {"access_token": token}


@app.post("/passwords", status_code=201)
async def choose_password(body: Strict) -> str:
    return "chosen"


@app.get("/articles")
async def articles(token: Annotated[str | None, Depends(maybe)]) -> list[str]:
    return ["yours first"] if token in tokens else ["news"]


@app.get("/letters")
async def letters(token: Annotated[str | None, Depends(maybe)]) -> list[str]:
    if token is None:
        raise HTTPException(401, "Not signed in")
    return ["to anybody with a token"]


@app.post("/products", status_code=201)
async def create_product(body: Named, user: User) -> dict[str, Any]:
    return products.setdefault(len(products) + 1, {"id": len(products) + 1, "name": body.name})


@app.get("/products")
async def list_products(user: User) -> list[dict[str, Any]]:
    return list(products.values())


@app.get("/products/{number}")
async def read_product(number: int, user: User) -> dict[str, Any]:
    return found(products, number)


@app.post("/posts", status_code=201)
async def create_post(body: Named, user: User) -> dict[str, Any]:
    post = {"id": len(posts) + 1, "name": body.name, "owner": user}
    return posts.setdefault(post["id"], post)


@app.get("/posts")
async def list_posts(user: User) -> list[dict[str, Any]]:
    return list(posts.values())


@app.get("/posts/{number}")
async def read_post(number: int, user: User) -> dict[str, Any]:
    return found(posts, number)


@app.put("/posts/{number}")
async def change_post(number: int, body: Named, user: User) -> dict[str, Any]:
    found(posts, number)["name"] = body.name
    return posts[number]


@app.delete("/posts/{number}", status_code=204)
async def delete_post(number: int, user: User) -> None:
    if posts.get(number, {}).get("owner") == user:
        del posts[number]


@app.post("/diaries", status_code=201)
async def create_diary(body: Named, user: User) -> dict[str, Any]:
    diary = {"id": len(diaries) + 1, "name": body.name, "author_id": user}
    return diaries.setdefault(diary["id"], diary)


@app.get("/diaries/{number}")
async def read_diary(number: int, user: User) -> dict[str, Any]:
    return found(diaries, number)


@app.post("/messages", status_code=201)
async def create_message(body: Message) -> dict[str, Any]:
    message = {"id": len(messages) + 1, **body.model_dump()}
    return messages.setdefault(message["id"], message)


@app.get("/messages/{number}")
async def read_message(number: int) -> dict[str, Any]:
    return found(messages, number)


def build(number: int) -> None:
    with Session(engine) as session:
        session.get(Report, number)
        time.sleep(1.5)


@app.post("/reports", status_code=201)
def create_report(session: SessionDep, tasks: BackgroundTasks) -> Report:
    report = Report()
    session.add(report)
    session.commit()
    session.refresh(report)
    tasks.add_task(build, report.id)
    return report


@app.get("/reports/{number}")
def read_report(number: int, session: SessionDep) -> Report:
    report = session.get(Report, number) if number < 2**31 else None
    if report is None:
        raise HTTPException(404, "None")
    return report


@app.post("/tags", status_code=201)
async def create_tags(body: list[str]) -> dict[str, Any]:
    return {"id": 1, "role": "none"}


@app.get("/tags/{number}")
async def read_tags(number: int) -> dict[str, Any]:
    return {"id": 1, "role": "none"}
"""


@pytest.fixture(scope="module")
def team(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Result]:
    ids = ("S05", "S06", "S07", "S08", "S09", "S10", "D03", "H06", "T02", "H10")
    return run(tmp_path_factory.mktemp("team"), TEAM, *ids)


@pytest.mark.slow
def test_every_rule_has_run(team: dict[str, Result]) -> None:
    assert {one.rule.id: one.reason for one in team.values() if one.reason} == {}


@pytest.mark.slow
def test_what_users_share_is_not_taken_from_anybody(team: dict[str, Result]) -> None:
    assert found(team["S07"]) == {
        ("suspected", "GET /products/{number}"),  # nobody owns it
        ("suspected", "GET /posts/{number}"),  # everybody's list shows it
        ("proven", "PUT /posts/{number}"),  # of which the app names the owner; to delete it did nothing
        ("proven", "GET /diaries/{number}"),
    }


@pytest.mark.slow
def test_a_sign_in_that_is_optional(team: dict[str, Result]) -> None:
    assert found(team["S05"]) == {("suspected", "GET /articles")}
    assert found(team["S06"]) == {("suspected", "GET /articles"), ("proven", "GET /letters")}


@pytest.mark.slow
def test_what_the_document_offers_may_be_chosen(team: dict[str, Result]) -> None:
    assert found(team["S08"]) == {("suspected", "POST /messages")}


@pytest.mark.slow
def test_a_password_in_a_refusal_is_nobodys(team: dict[str, Result]) -> None:
    assert found(team["S10"]) == {("suspected", "POST /passwords")}


@pytest.mark.slow
def test_a_job_after_the_answer_gives_its_connection_back(team: dict[str, Result]) -> None:
    assert found(team["D03"]) == set()


@pytest.mark.slow
def test_what_is_created_without_an_object(team: dict[str, Result]) -> None:
    assert [found(team[one]) for one in ("H06", "T02", "S09", "H10")] == [set()] * 4


STREAMS = """
import time

from fastapi import FastAPI
from fastapi.responses import StreamingResponse

app = FastAPI()


@app.get("/export")
def export() -> StreamingResponse:
    def rows():
        time.sleep(0.4)
        yield from (f"{number},x\\n" for number in range(20))

    return StreamingResponse(rows(), media_type="text/csv")


@app.get("/joined")
def joined() -> StreamingResponse:
    time.sleep(0.3)
    return StreamingResponse(iter(["data: 1\\n\\n" * 5]), media_type="text/event-stream")


@app.get("/ticks")
def ticks() -> StreamingResponse:
    def tick():
        while True:
            yield "data: tick\\n\\n"
            time.sleep(2)

    return StreamingResponse(tick(), media_type="text/event-stream")
"""


@pytest.mark.slow
def test_streams_that_are_slow_to_begin_and_slow_to_end(tmp_path: Path) -> None:
    results = run(tmp_path, STREAMS, "A03", "A04")
    assert found(results["A03"]) == {("suspected", "GET /export"), ("proven", "GET /joined")}
    assert found(results["A04"]) == set()


LIMITED = """
from fastapi import FastAPI, HTTPException, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel

app = FastAPI()
left = [4]


class Note(BaseModel):
    text: str


@app.middleware("http")
async def limit(request: Request, call_next):
    left[0] -= 1
    if left[0] < 0:
        return JSONResponse({"detail": "Too many requests"}, 429, {"Retry-After": "60"})
    return await call_next(request)


@app.get("/health")
async def health() -> str:
    return "healthy"


@app.post("/notes", status_code=201)
async def create_note(body: Note) -> dict[str, int]:
    return {"id": 1}


@app.get("/notes/{number}")
async def read_note(number: int) -> dict[str, int]:
    if number != 1:
        raise HTTPException(404)
    return {"id": 1}
"""


@pytest.mark.slow
def test_an_app_that_limits_requests(tmp_path: Path) -> None:
    results = run(tmp_path, LIMITED, "C11", "H03", "H04", "H05", "H07", "H10")
    proven = [one.rule.id for one in results.values() if one.count(Verdict.proven)]
    limited = {one.rule.id for one in results.values() if "limits requests (429)" in one.reason}
    assert proven == []
    assert {"H07", "H10"} <= limited
    assert results["C11"].reason == ""  # it was done before


def exchange(path: str = "/things/1", status: int = 404, text: str = "", body: bytes = b"") -> Exchange:
    return Exchange(1, "GET", path, {}, body, status=status, content=text.encode())


@pytest.mark.parametrize(
    ("text", "tells"),
    [
        ("Please select an item from the list", False),
        ("select one from the list, where a = b", False),
        ("[SQL: SELECT id FROM things]", True),
        ("near: select id from things where id = ?", True),
        ("no route for /opt/x/1", False),
        ("see https://example.com/usr/share/docs", False),
        ("use /opt/in/ instead", False),
        ("cannot open /opt/x/config.toml", False),
        ("cannot open '/opt/deploy/config.toml'", True),
        ('{"detail": "sqlite3.OperationalError"}', True),
        ('{"input": "INSERT INTO things"}', False),
    ],
)
def test_what_an_error_tells(text: str, tells: bool) -> None:
    document = Document({"paths": {"/opt/in/{number}": {"get": {}}}})
    asked = exchange("/api/opt/x/1", text=text, body=b'"INSERT INTO things"')
    assert bool(_inside(document, asked)) is tells


@pytest.mark.parametrize(
    ("sent", "got", "same"),
    [
        (1.0, "1.00", True),
        (1.0, 1, True),
        (1.5, "1.4", False),
        (1, "one", False),
        (True, "1", False),
        ("1.0", "1.00", False),
        ("2026-01-02T03:04:05Z", "2026-01-02T03:04:05.000000+00:00", True),
        ("2026-01-02T03:04:05Z", "2026-01-02T04:04:05+01:00", True),
        ("2026-01-02T03:04:05Z", "2026-01-02T03:04:05", False),
        ("03:04:05Z", "03:04:05+00:00", True),
        ({"price": 1.0}, {"id": 1, "price": "1.00"}, True),
        ({"price": 1.0}, {"id": 1}, False),
        ([1.0], ["1.0"], True),
        ([1.0], [], False),
        (None, None, True),
    ],
)
def test_what_is_the_same(sent: Any, got: Any, same: bool) -> None:
    assert is_same(sent, got) is same


@pytest.mark.parametrize(
    "path", ["/health", "/api/health-check/", "/health/live", "/livez", "/ping", "/_health"]
)
def test_paths_of_health(path: str) -> None:
    assert _NAMED.search(path)


@pytest.mark.parametrize("path", ["/shipping", "/delivery", "/mappings", "/live-shows", "/already"])
def test_paths_of_something_else(path: str) -> None:
    assert not _NAMED.search(path)


def test_too_many_requests_prove_nothing() -> None:
    finding = seen(Subject(), None, exchange(status=429), message="It is 429.", advice="Wait.")
    assert finding.verdict is Verdict.suspected
    assert "limits requests" in finding.evidence


def test_where_a_limit_is_in_order() -> None:
    asked = (("POST", "/api/keys"), ("POST", "/users?x=1"), ("POST", "/auth/jwt/login"), ("GET", "/users"))
    assert [is_usually_limited(*one) for one in asked] == [True, True, True, False]
    assert not is_usually_limited("POST", "/notes")


def test_a_key_that_nobody_made_has_the_form_of_the_real_one() -> None:
    real = {"Authorization": "Bearer x", "X-API-Key": "x", "Cookie": "session=x"}
    wrong = {"Authorization": "Bearer nonsense", "X-API-Key": "nonsense", "Cookie": "session=nonsense"}
    assert nonsense(real) == wrong
    assert nonsense({"Authorization": "Basic eDp5"}) == {"Authorization": "Basic bm9uc2Vuc2U6bm9uc2Vuc2U="}


def test_json_that_was_sent() -> None:
    assert [exchange(body=one).sent_json for one in (b"", b"a=1", b'{"a": 1}')] == [None, None, {"a": 1}]


def test_what_a_union_offers() -> None:
    schemas = {"A": {"properties": {"role": {}}}, "B": {"allOf": [{"properties": {"id": {}}}]}}
    document = Document({"components": {"schemas": schemas}})
    union = {"anyOf": [{"$ref": "#/components/schemas/A"}, {"$ref": "#/components/schemas/B"}]}
    assert set(_offered(document, union)) == {"role", "id"}
