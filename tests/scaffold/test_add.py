"""A resource that is added to a project: what clashes, what is kept, and all or nothing."""

import os
import stat
from pathlib import Path

import pytest
from tests.actions import add_actions

from stanchion.scaffold import Origin, Project, ScaffoldError
from stanchion.scaffold.addition import Addition
from stanchion.scaffold.changes import write
from stanchion.scaffold.fields import parse
from stanchion.scaffold.names import Names
from stanchion.secret import new_key

REVISION = "0002_add_invoices.py"


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """A new project."""
    folder = tmp_path / "shop"
    Project.plan(str(folder), database="sqlite", origin=Origin("0.3.0")).create(api_key=new_key())
    add_actions(folder)
    return folder


def plan(shop: Path, name: str, *fields: str, plural: str = "") -> Addition:
    return Addition.plan(shop, Names.of(name, plural), parse(fields))


def tree(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def test_what_it_writes(shop: Path) -> None:
    before = tree(shop)
    addition = plan(shop, "invoice", "number:str")
    assert tree(shop) == before
    addition.write(REVISION, "revision = 1\n")
    after = tree(shop)
    assert {name for name in after if after[name] != before.get(name)} == {
        "main.py",
        "migrations/versions/0002_add_invoices.py",
        "models.py",
        "routers/invoices.py",
        "schemas.py",
        "tests/test_invoices.py",
    }
    for name in ("models.py", "schemas.py", "main.py"):
        kept = iter(after[name].splitlines())
        lines = [
            line for line in before[name].splitlines() if b"import" not in line and b"for module" not in line
        ]
        assert all(line in kept for line in lines), name  # each, in the same order
    assert stat.S_IMODE((shop / "routers/invoices.py").stat().st_mode) == 0o666 & ~_umask()


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def test_a_second_run_finds_it(shop: Path) -> None:
    fields = ["number:str", "at:time", "todo:ref:todos", "kind:enum(a,b)=a"]
    plan(shop, "invoice", *fields).write(REVISION, "")
    before = tree(shop)
    assert plan(shop, "invoice", *fields).is_there
    plan(shop, "day", "at:time").write("0003_add_days.py", "")
    assert (shop / "schemas.py").read_text().count("def without_offset") == 1
    assert plan(shop, "invoice", *fields).is_there
    assert tree(shop).keys() - before.keys() == {
        "routers/days.py",
        "tests/test_days.py",
        "migrations/versions/0003_add_days.py",
    }
    with pytest.raises(
        ScaffoldError, match=r"Invoice is in models.py already, and is not what this would write"
    ):
        plan(shop, "invoice", "number:str(20)")


@pytest.mark.parametrize(
    ("name", "plural", "field", "reason"),
    [
        ("todo", "", "a:str", "Todo is in models.py already"),
        ("task", "todos", "a:str", "The table 'todos' is in models.py already"),
        ("stream", "stream", "a:str", "StreamCreate is in schemas.py already"),
        ("river", "stream", "a:str", "stream is in main.py already"),
        ("setting", "", "a:str", "settings is in main.py already"),
        ("index", "", "a:str", "Index is in models.py already"),
        ("decimal", "", "a:decimal", "Decimal is a name that the code of a resource needs"),
        ("resource", "", "a:str", "Resource is a name that the code of a resource needs"),
        ("schema", "", "a:str", "'schemas' is the name of a module of the project"),
        ("test", "", "a:str", "'tests' is the name of a module of the project"),
        ("welcome", "", "a:str", ""),
        ("key", "api_keys", "created:date", "KeyCreate is in schemas.py already"),
        (
            "invoice",
            "",
            "a:ref:customers",
            "There is no table 'customers' to refer to: name one of actions, ",
        ),
        ("a" * 30, "", f"{'b' * 30}:int", "is too long for an index"),
        ("a" * 25, "", f"{'b' * 25}:uuid:unique", "is too long for an index"),
    ],
)
def test_names_that_clash(shop: Path, name: str, plural: str, field: str, reason: str) -> None:
    before = tree(shop)
    if reason:
        with pytest.raises(ScaffoldError, match=reason):
            plan(shop, name, field, plural=plural)
    else:
        assert plan(shop, name, field, plural=plural).texts
    assert tree(shop) == before


@pytest.mark.parametrize("name", ["routers/invoices.py", "tests/test_invoices.py"])
def test_files_that_are_there(shop: Path, name: str) -> None:
    (shop / name).write_text("mine = 1\n")
    with pytest.raises(ScaffoldError, match=f"{name} is there already, and is not what this would write"):
        plan(shop, "invoice", "number:str")


def test_a_path_that_is_there(shop: Path) -> None:
    edit(shop / "routers/stream.py", '"/api/stream"', '"/api/invoices"')
    with pytest.raises(ScaffoldError, match=r"/api/invoices is in routers/stream.py already"):
        plan(shop, "invoice", "number:str")


@pytest.mark.parametrize(
    "name", ["main.py", "schemas.py", "routers", "migrations/versions", "tests/conftest.py"]
)
def test_what_is_no_project(shop: Path, name: str) -> None:
    (shop / name).rename(shop / "elsewhere")
    with pytest.raises(ScaffoldError, match=f"There is no {name} in .*: a resource can be added to what"):
        plan(shop, "invoice", "number:str")


def test_a_project_that_was_changed(shop: Path) -> None:
    edit(shop / "dependencies.py", "class Resource(", "class Endpoints(")
    with pytest.raises(ScaffoldError, match=r"dependencies.py has no Resource, which a resource needs"):
        plan(shop, "invoice", "number:str")
    (shop / "models.py").write_text("class:\n")
    with pytest.raises(ScaffoldError, match=r"models.py is not Python \(line 1\): correct it."):
        plan(shop, "invoice", "number:str")
    (shop / "models.py").write_bytes(b"\xff")
    with pytest.raises(ScaffoldError, match=r"models.py is not UTF-8 text"):
        plan(shop, "invoice", "number:str")


def test_a_table_that_no_row_can_be_made_of(shop: Path) -> None:
    edit(shop / "models.py", "    affected: int\n", "    affected: bytes\n")
    with pytest.raises(
        ScaffoldError, match="A row of 'actions' cannot be made for the tests, affected is bytes"
    ):
        plan(shop, "invoice", "action:ref:actions")
    edit(
        shop / "models.py",
        "Column(BigID, primary_key=True, autoincrement=True))\n    email",
        "str)\n    email",
    )
    edit(
        shop / "models.py", "    id: int | None = Field(default=None, sa_column=str)", "    id: str = Field()"
    )
    with pytest.raises(ScaffoldError, match="The table 'users' has no `id` that is a number"):
        plan(shop, "invoice", "user:ref:users")


PARTS = """

class PartKind(StrEnum):
    small = "small"


class Part(SQLModel, table=True):
    sizes: ClassVar[int]
    id: int | None = Field(default=None, primary_key=True)
    maker_id: int = Field(foreign_key="users.id")
    code: str = Field(max_length=5)
    price: Decimal
    made_on: date
    seen_at: datetime = Field(sa_type=UTCDateTime)
    opens: time
    token: UUID
    kind: PartKind
    ratio: float = Field(ge=0)
    count: int
    done: bool
    note: str | None = None
    users: list[User] = Relationship(back_populates="parts")
"""


def test_a_row_to_refer_to_has_all_that_it_needs(shop: Path) -> None:
    with (shop / "models.py").open("a") as file:
        file.write(PARTS)
    text = plan(shop, "invoice", "part:ref:part").texts["tests/test_invoices.py"]
    made = text.partition("row = Part(\n")[2].partition("\n        )\n")[0]
    assert [line.strip() for line in made.splitlines() if line.startswith(" " * 12 + line.strip()[0])] == [
        "maker_id=await add(",
        "),",
        "code=secrets.token_hex(8)[:5],",
        "price=Decimal(0),",
        "made_on=date.fromordinal(secrets.randbelow(3_000_000) + 1),",
        "seen_at=now(),",
        "opens=time(9, 30),",
        "token=uuid4(),",
        "kind=next(iter(PartKind)),",
        "ratio=1.5,",
        "count=secrets.randbelow(2**31),",
        "done=False,",
    ]
    for line in (
        "from decimal import Decimal",
        "from models import Part, PartKind, User",
        "from uuid import uuid4",
    ):
        assert f"\n{line}\n" in text


def test_a_table_that_refers_to_itself(shop: Path) -> None:
    with (shop / "models.py").open("a") as file:
        file.write(PARTS.replace('"users.id"', '"part.id"'))
    with pytest.raises(
        ScaffoldError, match="A row of 'part' cannot be made for the tests: it refers to itself"
    ):
        plan(shop, "invoice", "part:ref:part")


def test_only_a_foreign_key_is_one(shop: Path) -> None:
    name = "    name: str = Field(max_length=100)\n"
    edit(shop / "models.py", name, name.replace(")", ', description="The name.", alias="users.id")'))
    text = plan(shop, "invoice", "customer:ref:users").texts["tests/test_invoices.py"]
    assert "name=secrets.token_hex(8)" in text


@pytest.mark.parametrize(
    "line",
    ['__tablename__: str = "shops"', '__tablename__: ClassVar[str] = "shops"', '__tablename__ = "shops"'],
)
def test_the_name_of_a_table(shop: Path, line: str) -> None:
    with (shop / "models.py").open("a") as file:
        file.write(
            f"\n\nclass Shop(SQLModel, table=True):\n    {line}\n    id: int = Field(primary_key=True)\n"
        )
    assert "Shop(id=" in plan(shop, "invoice", "shop:ref:shops").texts["tests/test_invoices.py"]
    with pytest.raises(ScaffoldError, match=r"The table 'shops' is in models.py already"):
        plan(shop, "store", "a:str", plural="shops")


BASES = """

class Named(SQLModel):
    id: int | None = Field(default=None, primary_key=True)
    owner_id: int | None = Field(default=None, foreign_key="users.id")
    name: str = Field(max_length=9)


class Shop(Named, table=True):
    name: str = Field(max_length=4)
    floor: int
    keeper_id: int = Field(foreign_key="public.users.id")
"""


def test_what_a_table_has_from_its_base(shop: Path) -> None:
    with (shop / "models.py").open("a") as file:
        file.write(BASES)
    addition = plan(shop, "invoice", "shop:ref:shop")
    assert '"shop_id": None' in addition.texts["routers/invoices.py"]
    text = addition.texts["tests/test_invoices.py"]
    assert "owner_id=owner_id,\n            name=secrets.token_hex(8)[:4],\n            floor=" in text
    assert "            keeper_id=await add(\n                session,\n                User(\n" in text


def test_a_reference_leads_to_the_resource_of_its_rows(shop: Path) -> None:
    addition = plan(shop, "invoice", "customer:ref:users", "todo:ref:todos")
    assert addition.unguarded == []
    router = addition.texts["routers/invoices.py"]
    assert "\nfrom models import Invoice\nfrom routers.todos import todos\nfrom schemas import " in router
    assert '    owner="owner_id",\n    references={"todo_id": todos},\n    filters=[' in router
    tests = addition.texts["tests/test_invoices.py"]
    assert (
        '@pytest.mark.parametrize("name", ["todo_id"])\nasync def test_nobody_elses_is_referred_to(' in tests
    )
    assert "row = Todo(owner_id=owner_id, title=secrets.token_hex(8))" in tests


def test_a_reference_to_rows_with_owners_is_said(shop: Path) -> None:
    addition = plan(shop, "invoice", "action:ref:actions", "todo:ref:todos?")
    assert addition.unguarded == ["action_id may name a row of actions that is not the caller's"]
    assert (
        "    references={\n"
        "        # Also somebody else's: no router declares a Resource of Action.\n"
        '        "action_id": None,\n'
        '        "todo_id": todos,\n'
        "    },\n"
    ) in addition.texts["routers/invoices.py"]
    assert '("name", ["todo_id"])\nasync def test_nobody' in addition.texts["tests/test_invoices.py"]


@pytest.mark.parametrize(
    ("declared", "line", "imported"),
    [
        ("things: Any = Resource(models.Action, owner='owner_id')", "things", "things"),
        ("things = Resource[Action](Action, owner='owner_id')", "things", "things"),
        ("things = stanchion.Resource(Action, owner='owner_id')", "things", "things"),
        ("invoices = Resource(Action, owner='owner_id')", "acts_invoices", "invoices as acts_invoices"),
        ("a = b = Resource(Todo)\nc = Resource()\na.b = 1\nd = Resource(Action, owner='x')", "d", "d"),
    ],
)
def test_a_resource_by_hand(shop: Path, declared: str, line: str, imported: str) -> None:
    (shop / "routers/acts.py").write_text(f"{declared}\n")
    addition = plan(shop, "invoice", "action:ref:actions")
    assert addition.unguarded == []
    router = addition.texts["routers/invoices.py"]
    assert f'    references={{"action_id": {line}}},\n' in router
    assert f"\nfrom routers.acts import {imported}\n" in router


def test_a_resource_without_owners_guards_nothing(shop: Path) -> None:
    (shop / "routers/acts.py").write_text("acts = Resource(Action)\n")
    addition = plan(shop, "invoice", "action:ref:actions")
    assert addition.unguarded == ["action_id may name a row of actions that is not the caller's"]
    assert '    references={"action_id": acts},\n' in addition.texts["routers/invoices.py"]
    assert "test_nobody_elses" not in addition.texts["tests/test_invoices.py"]
    (shop / "routers/own.py").write_text("own = Resource(Action, owner='owner_id')\n")
    assert (
        '    references={"action_id": own},\n'
        in plan(shop, "invoice", "action:ref:actions").texts["routers/invoices.py"]
    )


def test_ends_of_lines_are_kept(shop: Path) -> None:
    text = (shop / "main.py").read_bytes()
    (shop / "main.py").write_bytes(text.replace(b"\n", b"\r\n"))
    plan(shop, "invoice", "number:str").write(REVISION, "")
    written = (shop / "main.py").read_bytes()
    assert written.count(b"\n") == written.count(b"\r\n") > text.count(b"\n")
    assert b"\r" not in (shop / "models.py").read_bytes()
    assert plan(shop, "invoice", "number:str").is_there


@pytest.mark.parametrize("failure", [OSError(28, "No space left on device"), KeyboardInterrupt()])
@pytest.mark.parametrize("at", [1, 3, 6])
def test_a_failure_changes_nothing(
    shop: Path, monkeypatch: pytest.MonkeyPatch, failure: BaseException, at: int
) -> None:
    before, replace, calls = tree(shop), Path.replace, []

    def fail(path: Path, target: Path) -> Path:
        calls.append(target)
        if len(calls) == at:
            raise failure
        return replace(path, target)

    addition = plan(shop, "invoice", "number:str")
    monkeypatch.setattr(Path, "replace", fail)
    expected = ScaffoldError if isinstance(failure, OSError) else KeyboardInterrupt
    with pytest.raises(expected):
        addition.write(REVISION, "")
    assert tree(shop) == before


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("1")
    with pytest.raises(
        ScaffoldError, match=r"cannot be written \(No such file or directory\): nothing has changed"
    ):
        write({tmp_path / "a": b"2", tmp_path / "missing" / "b": b"2"})
    assert tree(tmp_path) == {"a": b"1"}


def test_links_and_modes_stay(tmp_path: Path) -> None:
    (tmp_path / "real").write_text("1")
    (tmp_path / "real").chmod(0o640)
    (tmp_path / "link").symlink_to(tmp_path / "real")
    write({tmp_path / "link": b"2"})
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").read_bytes() == b"2"
    assert stat.S_IMODE((tmp_path / "real").stat().st_mode) == 0o640
