"""get_session: one session a request, which ends before the response leaves."""

from collections.abc import AsyncIterator
from typing import Annotated, Any

import anyio
import httpx2
import pytest
from fastapi import APIRouter, BackgroundTasks, Depends, FastAPI, HTTPException
from fastapi.responses import StreamingResponse
from sqlalchemy import ForeignKey, func, select
from sqlalchemy.exc import InvalidRequestError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.pool import QueuePool

from stanchion.database import BigID, Database
from stanchion.errors import handle_errors
from stanchion.testing import client

pytestmark = pytest.mark.anyio


class Base(DeclarativeBase): ...


class Thing(Base):
    __tablename__ = "things"

    id: Mapped[int] = mapped_column(BigID, primary_key=True)
    name: Mapped[str]
    owner: Mapped[int | None] = mapped_column(ForeignKey("things.id", deferrable=True, initially="DEFERRED"))


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    database = Database(database_url)
    async with database.engine.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)
    yield database
    assert taken(database) == 0, "a connection was not given back"
    await database.close()


@pytest.fixture
def app() -> FastAPI:
    app = FastAPI()
    handle_errors(app)
    return app


def taken(database: Database) -> int:
    pool = database.engine.pool
    assert isinstance(pool, QueuePool)
    return pool.checkedout()


async def count(database: Database) -> int:
    async with database.read() as session:
        return await session.scalar(select(func.count()).select_from(Thing)) or 0


async def post(app: FastAPI, path: str = "/") -> httpx2.Response:
    async with client(app, raise_app_exceptions=False) as caller:
        return await caller.post(path)


async def test_it_commits_before_the_response_starts(
    database: Database, database_url: str, app: FastAPI
) -> None:
    second = Database(database_url)
    seen: list[tuple[str, int]] = []

    @app.post("/")
    async def create(session: Annotated[AsyncSession, Depends(database.get_session)]) -> str:
        session.add(Thing(name="a"))
        await session.flush()
        seen.append(("inside", await count(second)))
        return "created"

    async def send(message: Any) -> None:
        seen.append((message["type"], await count(second)))

    async def receive() -> Any:
        return {"type": "http.request", "body": b""}

    scope = {"type": "http", "method": "POST", "path": "/", "headers": [], "query_string": b"", "app": app}
    await app(scope, receive, send)
    assert seen == [("inside", 0), ("http.response.start", 1), ("http.response.body", 1)]
    await second.close()


@pytest.mark.parametrize(("error", "status"), [(HTTPException(409), 409), (ValueError(), 500)])
@pytest.mark.usefixtures("logged")
async def test_any_exception_rolls_back(
    database: Database, app: FastAPI, error: Exception, status: int
) -> None:
    @app.post("/")
    async def create(session: Annotated[AsyncSession, Depends(database.get_session)]) -> None:
        session.add(Thing(name="a"))
        await session.flush()
        raise error

    assert (await post(app)).status_code == status
    assert await count(database) == 0


async def test_a_commit_that_fails_is_no_success(database: Database, app: FastAPI) -> None:
    @app.post("/")
    async def create(session: Annotated[AsyncSession, Depends(database.get_session)]) -> None:
        session.add(Thing(name="a", owner=7))
        await session.flush()

    response = await post(app)
    assert (response.status_code, response.json()["error"]) == (409, "conflict")
    assert await count(database) == 0


@pytest.mark.usefixtures("logged")
async def test_a_reply_that_does_not_fit_its_model_rolls_back(database: Database, app: FastAPI) -> None:
    @app.post("/", response_model=int)
    async def create(session: Annotated[AsyncSession, Depends(database.get_session)]) -> Any:
        session.add(Thing(name="a"))
        return "no number"

    assert (await post(app)).status_code == 500
    assert await count(database) == 0


async def test_one_session_whatever_depends_on_it(database: Database, app: FastAPI) -> None:
    Session = Annotated[AsyncSession, Depends(database.get_session)]  # noqa: N806
    seen: list[AsyncSession] = []
    ended: list[str] = []

    async def plain(session: Session) -> None:
        seen.append(session)

    async def for_request(session: Session) -> AsyncIterator[None]:
        seen.append(session)
        yield
        ended.append("request")
        with pytest.raises(InvalidRequestError, match="closed"):
            await session.execute(select(Thing))

    async def for_function(session: Session) -> AsyncIterator[None]:
        seen.append(session)
        yield
        ended.append("function")
        session.add(Thing(name="in its last words"))

    async def both(
        _: Annotated[None, Depends(for_request)],
        __: Annotated[None, Depends(for_function, scope="function")],
        session: Session,
    ) -> None:
        seen.append(session)

    router = APIRouter(dependencies=[Depends(plain), Depends(for_request)])

    @router.post("/", dependencies=[Depends(both), Depends(for_function, scope="function")])
    async def create(
        session: Session,
        again: Annotated[AsyncSession, Depends(database.get_session, use_cache=False)],
        narrow: Annotated[AsyncSession, Depends(database.get_session, scope="function")],
    ) -> None:
        seen.extend([session, again, narrow])
        session.add(Thing(name="a"))

    app.include_router(router)
    assert (await post(app)).status_code == 200
    assert len(seen) >= 7
    assert len(set(map(id, seen))) == 1
    assert ended[0] == "function"
    assert ended[-1] == "request"
    assert await count(database) >= 2


async def test_two_requests_and_two_databases_have_sessions_of_their_own(
    database: Database, sqlite_url: str, app: FastAPI
) -> None:
    other = Database(f"{sqlite_url}2")
    seen: list[AsyncSession] = []

    @app.post("/")
    async def create(
        one: Annotated[AsyncSession, Depends(database.get_session)],
        two: Annotated[AsyncSession, Depends(other.get_session)],
    ) -> None:
        seen.extend([one, two])

    await post(app)
    await post(app)
    assert len(set(map(id, seen))) == 4


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
async def test_a_safe_method_reads_while_a_writer_holds_the_lock(
    database: Database, app: FastAPI, method: str
) -> None:
    @app.api_route("/", methods=[method])
    async def read(session: Annotated[AsyncSession, Depends(database.get_session)]) -> int:
        return await session.scalar(select(func.count()).select_from(Thing)) or 0

    async with client(app) as caller, database.transaction() as writer:
        writer.add(Thing(name="a"))
        await writer.flush()
        assert (await caller.request(method, "/")).status_code == 200


async def test_later_than_the_response_it_raises(database: Database, app: FastAPI) -> None:
    failures: list[str] = []

    async def use(session: AsyncSession) -> None:
        try:
            await session.execute(select(Thing))
        except InvalidRequestError as exc:
            failures.append(str(exc))

    @app.post("/")
    async def create(
        tasks: BackgroundTasks, session: Annotated[AsyncSession, Depends(database.get_session)]
    ) -> StreamingResponse:
        tasks.add_task(use, session)

        async def body() -> AsyncIterator[bytes]:
            await use(session)
            yield b"a"

        return StreamingResponse(body(), background=tasks)

    assert (await post(app)).content == b"a"
    assert len(failures) == 2


async def test_a_client_that_leaves_takes_no_connection_with_it(database: Database, app: FastAPI) -> None:
    inside = anyio.Event()

    @app.post("/")
    async def create(session: Annotated[AsyncSession, Depends(database.get_session)]) -> None:
        session.add(Thing(name="a"))
        await session.flush()
        inside.set()
        await anyio.sleep_forever()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(post, app)
        await inside.wait()
        assert taken(database) == 1
        tasks.cancel_scope.cancel()
    assert taken(database) == 0
    assert await count(database) == 0


async def test_a_stream_that_nobody_reads_on_gives_its_connection_back(
    database: Database, app: FastAPI
) -> None:
    left = anyio.Event()

    @app.get("/")
    async def stream() -> StreamingResponse:
        async def body() -> AsyncIterator[bytes]:
            async with database.transaction() as session:
                session.add(Thing(name="a"))
                await session.flush()
                yield b"a"
                await anyio.sleep_forever()

        return StreamingResponse(body())

    async def receive() -> Any:
        await left.wait()
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        if message["type"] == "http.response.body":
            assert taken(database) == 1
            left.set()

    scope = {"type": "http", "method": "GET", "path": "/", "headers": [], "query_string": b"", "app": app}
    await app(scope, receive, send)
    assert await count(database) == 0
