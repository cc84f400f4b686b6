"""The tests of a new resource: those of the template's todos, with bodies that fit its own fields."""

import ast
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from stanchion.scaffold.blocks import Blocks, template
from stanchion.scaffold.fields import Field
from stanchion.scaffold.kinds import Import
from stanchion.scaffold.layout import laid_out
from stanchion.scaffold.rows import CALLER, makers
from stanchion.scaffold.source import Source
from stanchion.scaffold.tables import Tables
from stanchion.scaffold.taken import TAKEN

_FILE = "tests/test_todos.py"
_KNOWN: tuple[Import, ...] = (
    ("datetime", "date"),
    ("datetime", "datetime"),
    ("datetime", "time"),
    ("decimal", "Decimal"),
    ("typing", "Any"),
    ("uuid", "uuid4"),
    ("sqlalchemy.ext.asyncio", "AsyncSession"),
    ("database", "database"),
    ("stanchion.database", "now"),
)

_WHOSE = re.compile(r"\bawait (body|change)\((ada|bob|key)(, )?")

_UNFIT = """\
UNFIT: list[tuple[str, object]] = [
{rows}
]


@pytest.mark.parametrize(("name", "value"), UNFIT)
async def test_unfit(anyone: httpx2.AsyncClient, ada: Headers, name: str, value: object) -> None:
    created = await anyone.post(URL, json=await body(ada, **{{name: value}}), headers=ada)
    assert (created.status_code, created.json()["errors"][0]["loc"][:2]) == (422, ["body", name])
    url = (await create(anyone, ada)).headers["Location"]
    changed = await anyone.patch(url, json={{name: value}}, headers=ada)
    assert (changed.status_code, changed.json()["errors"][0]["loc"][:2]) == (422, ["body", name])
"""

_REQUIRED = """\
{names}
async def test_what_is_required(anyone: httpx2.AsyncClient, ada: Headers, name: str) -> None:
    sent = await body(ada)
    del sent[name]
    response = await anyone.post(URL, json=sent, headers=ada)
    assert (response.status_code, response.json()["errors"][0]["loc"]) == (422, ["body", name])
"""

_LEFT_OUT = """\
async def test_what_may_be_left_out(anyone: httpx2.AsyncClient, ada: Headers) -> None:
{defaults}
    sent = {{name: value for name, value in (await body(ada)).items() if name not in left_out}}
    response = await anyone.post(URL, json=sent, headers=ada)
    assert response.status_code == 201
    assert response.json().items() >= left_out.items()
"""

_EMPTIED = """\
{names}
async def test_what_may_be_empty(anyone: httpx2.AsyncClient, ada: Headers, name: str) -> None:
    url = (await create(anyone, ada)).headers["Location"]
    changed = await anyone.patch(url, json={{name: None}}, headers=ada)
    assert (changed.status_code, changed.json()[name]) == (200, None)
"""

_UNIQUE = """\
{names}
async def test_what_is_unique(anyone: httpx2.AsyncClient, ada: Headers, name: str) -> None:
    first = (await create(anyone, ada)).json()
    again = await anyone.post(URL, json=await body(ada, **{{name: first[name]}}), headers=ada)
    assert (again.status_code, again.json()["errors"][0]["loc"]) == (409, ["body", name])
"""

_UNIQUE_FOR_EACH = """\
{names}
async def test_somebody_elses_stands_in_nobodys_way(
    anyone: httpx2.AsyncClient, ada: Headers, bob: Headers,{service} name: str
) -> None:
    taken = {{name: (await create(anyone, ada)).json()[name]}}
    for key, status in {tried}:
        made = await anyone.post(URL, json=await body(key, **taken), headers=key)
        assert made.status_code == status
"""

_REFERENCES = """\
{names}
async def test_what_is_referred_to(anyone: httpx2.AsyncClient, ada: Headers, name: str) -> None:
    response = await anyone.post(URL, json=await body(ada, **{{name: 2**63 - 1}}), headers=ada)
    assert (response.status_code, response.json()["errors"][0]["loc"]) == (422, ["body", name])
"""

_NOBODY_ELSES = """\
{names}
async def test_nobody_elses_is_referred_to(
    anyone: httpx2.AsyncClient, ada: Headers, bob: Headers, name: str
) -> None:
    theirs = {{name: (await body(bob))[name]}}
    response = await anyone.post(URL, json=await body(ada, **theirs), headers=ada)
    assert (response.status_code, response.json()["errors"][0]["loc"]) == (422, ["body", name])
    url = (await create(anyone, ada)).headers["Location"]
    changed = await anyone.patch(url, json=theirs, headers=ada)
    assert (changed.status_code, changed.json()["errors"][0]["loc"]) == (422, ["body", name])
    assert (await anyone.patch(url, json=theirs, headers=bob)).status_code == 404
"""

_FILTERS = """\
{names}
async def test_list_filters(anyone: httpx2.AsyncClient, ada: Headers, name: str) -> None:
    item = (await create(anyone, ada)).json()
    found = await anyone.get(URL, params={{name: str(item[name])}}, headers=ada)
    assert (found.status_code, found.json()) == (200, [item])
    others = await anyone.get(URL, params={{f"{{name}}__ne": str(item[name])}}, headers=ada)
    assert (others.status_code, others.json()) == (200, [])
"""

_SORTS = """\
{names}
async def test_list_sorts(anyone: httpx2.AsyncClient, ada: Headers, name: str) -> None:
    made = {{(await create(anyone, ada)).json()["id"] for _ in range(3)}}

    async def walk(sort: str) -> list[int]:
        ids: list[int] = []
        url = f"{{URL}}?limit=2&sort={{sort}}"
        while url:
            page = await anyone.get(url, headers=ada)
            assert page.status_code == 200
            ids += [item["id"] for item in page.json()]
            url = page.links.get("next", {{}}).get("url", "")
        return ids

    forward = await walk(name)
    assert (len(forward), set(forward)) == (3, made)
    assert await walk(f"-{{name}}") == forward[::-1]
"""


@dataclass(frozen=True)
class Checks:
    """The file for tests/."""

    blocks: Blocks
    tables: Tables

    def text(self) -> str:
        """Return the file. Raises ScaffoldError where no row to refer to can be made."""
        found = makers(self.blocks.references, self.tables)
        parts = [*found, self._body(), self._change(), *self._functions()]
        source = Source.of(_FILE, f"{self._head(parts)}\n\n" + "\n\n".join(parts))
        for module, name in self._imports(source):
            source = source.importing(module, name)
        return source.text

    @property
    def _owned(self) -> list[Field]:
        """Return the fields that name rows which are somebody's: a body with one is the caller's own."""
        return [one.field for one in self.blocks.references if one.table.has_owner]

    def _value(self, field: Field, value: str) -> str:
        """Return what makes a value: of a row that is somebody's, whose it is."""
        return value.replace("()", "(anyone, key)") if field in self._owned else value

    def _body(self) -> str:
        doc = '"""Return a body that fits; what is unique, or refers to something, is new each time."""'
        values = {
            field.name: self._value(field, kind.fresh if field.unique or field.type == "ref" else kind.first)
            for field, kind in self.blocks.kinds.items()
        }
        items = [*(f'"{name}": {value}' for name, value in values.items()), "**changes"]
        line = laid_out(f"return {{{', '.join(items)}}}", 4)
        caller = f"{CALLER}, /, " if self._owned else ""
        head = laid_out(f"async def body({caller}**changes: object) -> dict[str, object]:")
        return f"{head}\n    {doc}\n{line}\n"

    @property
    def _changing(self) -> Field:
        """Return the field that tests change: one that is not unique, and names no row, if there is any."""
        return min(self.blocks.fields, key=lambda one: (one.type == "ref", one.unique))

    def _change(self) -> str:
        doc = '"""Return a field with another value."""'
        field, kind = self._changing, self.blocks.kinds[self._changing]
        value = self._value(field, kind.fresh if field.unique else kind.second)
        head = f"async def change({CALLER if self._owned else ''}) -> dict[str, object]:"
        return f'{head}\n    {doc}\n    return {{"{field.name}": {value}}}\n'

    def _for(self, text: str) -> str:
        """Return a test whose bodies say whose they are, `body(anyone, ada)`, where they have to."""
        if self._owned:
            return _WHOSE.sub(r"await \1(anyone, \2\3", text)
        return _WHOSE.sub(r"await \1(", text)

    def _functions(self) -> Iterator[str]:
        """Give the tests: the template's, with those that follow from the fields after the first."""
        source = template(_FILE)
        for name, replacements in TAKEN.items():
            yield self._taken(source.piece(name), name, replacements)
            if name == "test_create":
                yield from map(self._for, self._of_fields())

    def _taken(self, text: str, name: str, replacements: Mapping[str, str]) -> str:
        text = text.replace('"/api/todos"', "URL")
        text = re.sub(r'f?"/api/todos([^"]+)"', r'f"{URL}\1"', text)
        code, message = self.blocks.names.code, self.blocks.names.code.replace("_", " ").capitalize()
        text = text.replace("todo_not_found", f"{code}_not_found").replace(
            "Todo not found", f"{message} not found"
        )
        text = re.sub(r"\btodo(s?|_id)\b", r"item\1", text)
        for old, new in replacements.items():
            if old not in text:
                raise AssertionError(f"the template's {name} does not say {old!r}")
            text = text.replace(old, new)
        if self._changing in self._owned:  # nobody else could name it: their change names nothing
            text = text.replace(
                "create(anyone, ada), await change(ada)", "create(anyone, ada), dict[str, object]()"
            )
        return self._for(text)

    def _of_fields(self) -> Iterator[str]:
        fields, kinds = self.blocks.fields, self.blocks.kinds
        required = [one for one in fields if not one.optional and one.default is None]
        yield _UNFIT.format(rows=self._unfit())
        if required:
            yield _REQUIRED.format(names=_each(one.name for one in required))
        left_out = {one.name: _json_default(one) for one in fields if one not in required}
        if left_out:
            items = ", ".join(f'"{name}": {value}' for name, value in left_out.items())
            yield _LEFT_OUT.format(defaults=laid_out(f"left_out: dict[str, object] = {{{items}}}", 4))
        unique = [one for one in fields if one.unique]
        for text, chosen in (
            (_EMPTIED, [one for one in fields if one.optional]),
            (_UNIQUE, unique),
            (self._unique_for_each(), [one for one in unique if one not in self._owned]),
            (_REFERENCES, [one for one in fields if one.type == "ref"]),
            (_NOBODY_ELSES, [one.field for one in self.blocks.references if one.is_guarded]),
        ):
            if chosen:
                yield text.format(names=_each(one.name for one in chosen))
        yield _FILTERS.format(names=_each([*(one.name for one in kinds), "archived"]))
        yield _SORTS.format(names=_each(self.blocks.sorted))

    def _unique_for_each(self) -> str:
        """Return the test with the service where that can send a body: where it needs no row of a user's."""
        service, tried = " service: Headers,", "((bob, 201), (bob, 409), (service, 201), (service, 409))"
        if self._owned:
            service, tried = "", "((bob, 201), (bob, 409))"
        return _UNIQUE_FOR_EACH.replace("{service}", service).replace("{tried}", tried)

    def _unfit(self) -> str:
        rows = [
            f'    ("{field.name}", {value}),'
            for field, kind in self.blocks.kinds.items()
            for value in (*kind.unfit, *(() if field.optional else ("None",)))
        ]
        return "\n".join([*rows, '    ("owner_id", 1),'])

    def _head(self, parts: Sequence[str]) -> str:
        names = self.blocks.names
        what = names.many.replace("_", " ").capitalize()
        doc = f'"""{what}: each operation, its statuses, and whose they are."""'
        top = "import secrets\n\n" if any("secrets." in part for part in parts) else ""
        constants = f'pytestmark = pytest.mark.anyio\nHeaders = dict[str, str]\nURL = "{names.path}"\n'
        return f"{doc}\n\n{top}import httpx2\nimport pytest\n\n{constants}"

    def _imports(self, source: Source) -> Iterator[Import]:
        """Give what the file uses and does not define."""
        used = {node.id for node in ast.walk(source.tree) if isinstance(node, ast.Name)} - source.bound()
        models = [
            ("models", name)
            for name in sorted(self.tables.models.bound() & used - {one for _, one in _KNOWN})
        ]
        return (one for one in (*_KNOWN, *models) if one[1] in used)


def _each(names: Iterable[str]) -> str:
    """Return the line that runs a test for each name."""
    listed = ", ".join(f'"{name}"' for name in names)
    return laid_out(f'@pytest.mark.parametrize("name", [{listed}])')


def _json_default(field: Field) -> str:
    """Return a default as a response has it, in Python."""
    if field.default is None:
        return "None"
    if field.type == "enum":
        return f'"{field.default}"'
    if field.type == "decimal":
        return f'"{Decimal(field.default[9:-2]):.{field.arguments[1]}f}"'
    return field.default
