"""The code of a new resource: the todos of the live template under other names, with other fields."""

import ast
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from stanchion.scaffold.fields import Field
from stanchion.scaffold.kinds import Import, Kind, kind_of, type_name
from stanchion.scaffold.layout import laid_out
from stanchion.scaffold.names import Names
from stanchion.scaffold.project import TEMPLATE
from stanchion.scaffold.references import Reference
from stanchion.scaffold.source import Source

_REPLACED = ("title", "status")
"""The fields of a todo: what is about them has no counterpart."""
_LONGEST_INDEX = 63
"""Bytes of a name in PostgreSQL."""

TIME_OF_DAY = '''\
def without_offset(value: time) -> time:
    """Refuse a time with an offset: without its day it is no moment."""
    if value.tzinfo is not None:
        raise ValueError("Write it without an offset.")
    return value


TimeOfDay = Annotated[time, AfterValidator(without_offset)]
'''


def template(file: str) -> Source:
    """Return a file of the live template."""
    return Source.read(TEMPLATE / file, file)


@dataclass(frozen=True)
class Blocks:
    """The code of one resource."""

    names: Names
    fields: tuple[Field, ...]
    references: tuple[Reference, ...] = ()

    @cached_property
    def kinds(self) -> dict[Field, Kind]:
        """Return what follows from the type of each field."""
        return {field: kind_of(field, self.names) for field in self.fields}

    @property
    def sorted(self) -> list[str]:
        """Return what a list may be sorted by: what has an order, and a value in every row."""
        return [
            "created_at",
            *(one.name for one, kind in self.kinds.items() if kind.is_sorted and not one.optional),
        ]

    @property
    def indexes(self) -> dict[str, tuple[str, ...]]:
        """Return the columns of each index, by its name: one for each order, in front of it the owner."""
        orders = [("owner_id", "id"), *(("owner_id", name, "id") for name in self.sorted)]
        return {f"ix_{self.names.many}_{'_'.join(columns)}": columns for columns in orders}

    @property
    def too_long(self) -> list[str]:
        """Return the names of indexes that PostgreSQL would cut off."""
        references = [f"ix_{self.names.many}_{one.name}" for one in self.fields if one.type == "ref"]
        uniques = [f"uq_{self.names.many}_owner_id_{one.name}" for one in self._unique]
        return [name for name in [*self.indexes, *references, *uniques] if len(name) > _LONGEST_INDEX]

    @property
    def defined(self) -> dict[str, set[str]]:
        """Return the names that the blocks define, by file."""
        models = {
            self.names.model,
            *(type_name(one, self.names) for one in self.fields if one.type == "enum"),
        }
        aliases = {type_name(one, self.names) for one in self.fields if self._is_named(one)}
        return {
            "models.py": models,
            "schemas.py": {
                *(f"{self.names.model}{what}" for what in ("Create", "Update", "Response")),
                *aliases,
            },
        }

    def model(self) -> str:
        """Return the classes for models.py."""
        source = template("models.py")
        text = self._with_fields(source, "Todo", [self._column(one) for one in self.fields])
        text = text.replace('"""Something to do.', f'"""{self.names.with_article.capitalize()}.')
        indexes = "".join(
            laid_out(f"Index({_quoted((name, *columns))})", 8, ",") + "\n"
            for name, columns in self.indexes.items()
        )
        before = re.findall(r"(?:^ {8}Index\(.*\),\n)+", text, re.MULTILINE)
        assert len(before) == 1, "the template's Todo has no indexes, or in two places"
        text = text.replace(before[0], indexes + self._constraints())
        return "\n\n".join([*(self._enum(one) for one in self.fields if one.type == "enum"), text])

    def schemas(self) -> str:
        """Return the types and classes for schemas.py."""
        source = template("schemas.py")
        aliases = [self._alias(one) for one in self.fields if self._is_named(one)]
        classes = [
            self._with_fields(source, "TodoCreate", [self._wanted(one) for one in self.fields]),
            self._with_fields(source, "TodoUpdate", [self._changing(one) for one in self.fields]),
            self._with_fields(source, "TodoResponse", [self._shown(one) for one in self.fields]),
        ]
        text = "\n\n".join(classes)
        return f"{''.join(aliases)}\n\n{text}" if aliases else text

    def router(self) -> str:
        """Return the file for routers/."""
        text = self.renamed(template("routers/todos.py").text)
        for name, columns in (
            ("filters", [*(one.name for one in self.fields), "archived", "created_at", "updated_at"]),
            ("sort", self.sorted),
        ):
            before = re.findall(rf"^    {name}=\[.*\],$", text, re.MULTILINE)
            assert len(before) == 1, f"the template's routers/todos.py has no {name}"
            text = text.replace(before[0], laid_out(f"{name}=[{_quoted(columns)}]", 4, ","))
        return self._referring(Source.of("a router", sorted_imports(text))).text

    def _referring(self, router: Source) -> Source:
        """Return a router that says, of each reference to rows with owners, which a caller may name."""
        lines: list[str] = []
        taken = router.bound()
        for one in self.references:
            if not one.table.has_owner:
                continue
            if one.resource is None:
                lines.append(f"# Also somebody else's: no router declares a Resource of {one.table.model}.")
                lines.append(f'"{one.field.name}": None,')
                continue
            module, name = f"routers.{one.resource.module}", one.resource.name
            known = name if name not in taken else f"{one.resource.module}_{name}"
            router = router.importing(module, name if known == name else f"{name} as {known}")
            lines.append(f'"{one.field.name}": {known},')
        if not lines:
            return router
        inside = " ".join(lines).rstrip(",")
        text = laid_out(f"references={{{inside}}}", 4, ",")
        if any(one.startswith("#") for one in lines):
            text = "\n".join(["    references={", *(f"        {one}" for one in lines), "    },"])
        return Source.of(router.name, router.text.replace("    filters=[", f"{text}\n    filters=[", 1))

    def model_imports(self) -> list[Import]:
        """Return what models.py has to import."""
        always = [
            ("datetime", "datetime"),
            *(("sqlalchemy", name) for name in ("BigInteger", "Column", "ForeignKey", "Index")),
            *(("sqlmodel", name) for name in ("Field", "SQLModel")),
            *(("stanchion.database", name) for name in ("BigID", "UTCDateTime", "now")),
        ]
        unique = [("sqlalchemy", name) for name in ("UniqueConstraint", "text") if self._unique]
        return _once([*always, *unique, *(one for kind in self.kinds.values() for one in kind.imports)])

    def schema_imports(self) -> list[Import]:
        """Return what schemas.py has to import."""
        found: list[Import] = [("pydantic", name) for name in ("MISSING", "AwareDatetime", "Field")]
        for field, kind in self.kinds.items():
            if field.type not in ("enum", "datetime"):
                found += [one for one in kind.imports if one[0] in ("datetime", "decimal", "uuid")]
            found += kind.body_imports
            found += [("typing", "Annotated")] if self._is_named(field) else []
        return _once(found)

    def renamed(self, text: str) -> str:
        """Return a text about todos as one about these."""
        for old, new in (
            ("Todo", self.names.model),
            ("todos", self.names.many),
            ("todo", self.names.one),
        ):
            text = text.replace(old, new)
        return text

    def example(self, field: Field) -> str:
        """Return a value for the document."""
        return "1" if field.type == "ref" else self.kinds[field].first

    @property
    def _unique(self) -> list[Field]:
        return [one for one in self.fields if one.unique]

    def _unowned(self, field: Field) -> str:
        """Return the name of the index by which a field is unique among the rows without an owner."""
        return f"uq_{self.names.many}_{field.name}"

    def _constraints(self) -> str:
        """Return what keeps each unique field so: among the rows of one owner, as nobody sees another's."""
        lines = [f'UniqueConstraint("owner_id", "{one.name}")' for one in self._unique]
        where = 'text("owner_id IS NULL")'
        indexes = [
            f'Index("{self._unowned(one)}", "{one.name}", unique=True, sqlite_where={where}, '
            f"postgresql_where={where})"
            for one in self._unique
        ]
        said = "# The service's own have no owner, and NULL is like no other NULL: an index for them."
        comment = [f"        {said}"] if indexes else []
        made = [
            *(laid_out(one, 8, ",") for one in lines),
            *comment,
            *(laid_out(one, 8, ",") for one in indexes),
        ]
        return "".join(f"{one}\n" for one in made)

    def _is_named(self, field: Field) -> bool:
        return bool(self.kinds[field].limits)

    def _with_fields(self, source: Source, name: str, lines: Sequence[str]) -> str:
        """Return a class with these lines in the place of the todo's own fields."""
        whole = Source.of(source.name, source.piece(name))
        (node,) = whole.classes()
        gone = [one for one in node.body if isinstance(one, ast.AnnAssign) and _name(one) in _REPLACED]
        assert len(gone) == len(_REPLACED), f"the template's {name} has other fields than {_REPLACED}"
        start, end = whole.place(gone[0].lineno, 0), whole.end(gone[-1])
        # Renamed around the new lines: these may speak of todos themselves.
        return self.renamed(whole.text[:start]) + "\n".join(lines) + self.renamed(whole.text[end:])

    def _enum(self, field: Field) -> str:
        values = "".join(f'    {one} = "{one}"\n' for one in field.arguments)
        doc = f'"""What the {field.name} of {self.names.with_article} can be."""'
        return f"class {type_name(field, self.names)}(StrEnum):\n    {doc}\n\n{values}"

    def _column(self, field: Field) -> str:
        kind = self.kinds[field]
        head = f"{field.name}: {kind.python}{' | None' if field.optional else ''}"
        default = self._default(field)
        given = [f"default={default}"] if default else []
        if kind.column:
            index = ["index=True"] if field.type == "ref" else []
            column = [kind.column, f"nullable={field.optional}", *index]
            return self._call(f"{head} = Field", [*given, f"sa_column=Column({', '.join(column)})"])
        arguments = [*given, *kind.options]
        return self._call(f"{head} = Field", arguments) if arguments else f"    {head}"

    def _default(self, field: Field) -> str:
        if field.optional:
            return "None"
        if field.default and field.type == "enum":
            return f"{type_name(field, self.names)}.{field.default}"
        return field.default or ""

    def _type(self, field: Field) -> str:
        kind = self.kinds[field]
        return type_name(field, self.names) if self._is_named(field) else kind.base or kind.python

    def _alias(self, field: Field) -> str:
        kind = self.kinds[field]
        limits = f"Field({', '.join([*kind.limits, f'examples=[{self.example(field)}]'])})"
        line = f"{type_name(field, self.names)} = Annotated[{kind.base or kind.python}, {limits}]"
        return f"{laid_out(line)}\n"

    def _wanted(self, field: Field) -> str:
        default = self._default(field)
        return self._body_field(field, " | None" if field.optional else "", default)

    def _changing(self, field: Field) -> str:
        return self._body_field(field, " | MISSING | None" if field.optional else " | MISSING", "MISSING")

    def _body_field(self, field: Field, rest: str, default: str) -> str:
        head = f"{field.name}: {self._type(field)}{rest}"
        if self._is_named(field):
            return f"    {head} = {default}" if default else f"    {head}"
        example = f"examples=[{self.example(field)}]"
        return self._call(f"{head} = Field", [default, example] if default else [example])

    def _shown(self, field: Field) -> str:
        kind = self.kinds[field]
        python = "AwareDatetime" if field.type == "datetime" else kind.python
        head = f"{field.name}: {python}{' | None' if field.optional else ''}"
        return self._call(f"{head} = Field", [f"examples=[{self.example(field)}]"])

    def _call(self, head: str, arguments: Sequence[str]) -> str:
        return laid_out(f"{head}({', '.join(arguments)})", 4)


def sorted_imports(text: str) -> str:
    """Return a text whose imports of several names stand in their order again, after a renaming."""
    source = Source.of("a block", text)
    for number, node in enumerate(source.tree.body):
        if isinstance(node, ast.ImportFrom):
            names = [alias.name for alias in node.names]
            bare = source.changed(
                source.start(node), source.end(node), f"from {node.module} import {names[0]}"
            )
            for name in names[1:]:
                bare = bare.importing(node.module or "", name)
            source = bare
        assert number < len(source.tree.body)
    return source.text


def _quoted(names: Sequence[str]) -> str:
    return ", ".join(f'"{name}"' for name in names)


def _name(node: ast.AnnAssign) -> str:
    return node.target.id if isinstance(node.target, ast.Name) else ""


def _once(imports: Sequence[Import]) -> list[Import]:
    return list(dict.fromkeys(imports))
