"""How many listen to SQLAlchemy: what `len` says, of each kind of dispatcher."""

from collections.abc import Callable
from typing import Any

from sqlalchemy import Engine, create_engine, event
from sqlalchemy.orm import Session

from stanchion.database.listeners import count


def hear(*_: Any) -> None: ...


def told(of: Any) -> list[Any]:
    return [of.dispatch.begin, of.dispatch.before_cursor_execute, of.dispatch.engine_connect]


def agree(of: Any, expected: int) -> None:
    assert count(*told(of)) == sum(map(len, told(of))) == expected


def listened(target: Any, name: str) -> Callable[[], None]:
    def listener(*_: Any) -> None: ...

    event.listen(target, name, listener)
    return lambda: event.remove(target, name, listener)


def test_of_an_engine_and_of_what_is_made_of_it() -> None:
    engine = create_engine("sqlite://")
    agree(engine, 0)
    before = engine.execution_options(before=True)
    agree(before, 0)
    forget = [listened(engine, "begin"), listened(engine, "before_cursor_execute")]
    agree(engine, 2)
    agree(before, 2)
    after = engine.execution_options(after=True)
    agree(after, 2)
    own = listened(after, "engine_connect")
    agree(after, 3)
    agree(engine, 2)
    own()
    with engine.connect() as connection:
        agree(connection, 2)
    for one in forget:
        one()
    for of in (engine, before, after):
        agree(of, 0)
    engine.dispose()


def test_of_a_class() -> None:
    engine = create_engine("sqlite://")
    forget = listened(Engine, "begin")
    try:
        agree(engine, 1)
        agree(engine.execution_options(x=1), 1)
        both = listened(engine, "begin")
        agree(engine, 2)
        both()
    finally:
        forget()
    agree(engine, 0)
    engine.dispose()


def test_of_sessions_and_pools() -> None:
    class Own(Session):
        pass

    engine, session = create_engine("sqlite://"), Own()
    for target, heard, name in ((Session, session, "after_begin"), (Own, session, "before_commit")):
        of: Any = heard.dispatch
        before = count(getattr(of, name))
        forget = listened(target, name)
        assert count(getattr(of, name)) == len(getattr(of, name)) == before + 1
        forget()
        assert count(getattr(of, name)) == before
    pool: Any = engine.pool.dispatch
    before = count(pool.connect, pool.checkin)
    forget = listened(engine, "checkin")
    assert count(pool.connect, pool.checkin) == len(pool.connect) + len(pool.checkin) == before + 1
    forget()
    event.listen(engine, "connect", hear, once=True)
    assert count(pool.connect) == len(pool.connect)
    assert count() == 0
    engine.dispose()
