"""A new resource in a project: what it would be called, what stands against it, and the files with it."""

import ast
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from stanchion.scaffold.blocks import TIME_OF_DAY, Blocks
from stanchion.scaffold.changes import write
from stanchion.scaffold.checks import Checks
from stanchion.scaffold.errors import ScaffoldError
from stanchion.scaffold.fields import Field
from stanchion.scaffold.names import Names
from stanchion.scaffold.references import references
from stanchion.scaffold.source import Source
from stanchion.scaffold.tables import Tables
from stanchion.scaffold.wiring import is_wired, wired

_NEEDED = (
    *("main.py", "models.py", "schemas.py", "database.py", "dependencies.py"),
    *("routers", "migrations/versions", "tests/conftest.py"),
)
_MODULES = frozenset({"migrations", "router", "routers", "tests"})
_CLASSES = frozenset({"Any", "AsyncSession", "Resource"})


@dataclass(frozen=True)
class Project:
    """The files of a project that a resource is added to."""

    folder: Path
    models: Source
    schemas: Source
    main: Source

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Read them. Raises ScaffoldError where one is not there, or not as `stanchion init` makes it."""
        for name in _NEEDED:
            if not (folder / name).exists():
                raise ScaffoldError(
                    f"There is no {name} in {folder}: a resource can be added to what `stanchion init` made."
                )
        models, schemas, main = (
            Source.read(folder / name, name) for name in ("models.py", "schemas.py", "main.py")
        )
        dependencies = Source.read(folder / "dependencies.py", "dependencies.py")
        for source, name in ((dependencies, "Resource"), (schemas, "Schema"), (models, "User")):
            if name not in source.bound():
                raise ScaffoldError(
                    f"{source.name} has no {name}, which a resource needs: write it as `stanchion init` does."
                )
        return cls(folder, models, schemas, main)

    def text(self, name: str) -> str:
        """Return what a file holds, nothing where there is none."""
        path = self.folder / name
        return path.read_bytes().decode(errors="replace").replace("\r\n", "\n") if path.is_file() else ""

    def says(self, path: str) -> str:
        """Return the file in which a route has this path; nothing where there is none."""
        for file in [self.folder / "main.py", *sorted((self.folder / "routers").glob("*.py"))]:
            name = file.relative_to(self.folder).as_posix()
            for node in ast.walk(Source.read(file, name).tree):
                said = node.value if isinstance(node, ast.Constant) else None
                if isinstance(said, str) and f"{said}/".startswith(f"{path}/"):
                    return name
        return ""


@dataclass(frozen=True)
class Addition:
    """What a resource adds. `write()` adds it."""

    blocks: Blocks
    project: Project
    texts: Mapping[str, str]
    """What each file is to hold; none where all is there already."""

    @classmethod
    def plan(cls, folder: Path, names: Names, fields: tuple[Field, ...]) -> Self:
        """Plan it. Raises ScaffoldError for a name that clashes, and for a reference to no table."""
        project = Project.read(folder)
        tables = Tables(project.models)
        blocks = Blocks(names, fields, references(folder, tables, fields))
        if blocks.too_long:
            raise ScaffoldError(f"{blocks.too_long[0]!r} is too long for an index: choose shorter names.")
        new = {
            f"routers/{names.many}.py": blocks.router(),
            f"tests/test_{names.many}.py": Checks(blocks, tables).text(),
        }
        if _is_there(project, blocks, new):
            return cls(blocks, project, {})
        _check(project, blocks, tables, new)
        return cls(blocks, project, {**_changed(project, blocks), **new})

    @property
    def is_there(self) -> bool:
        """Tell whether the project has it already, just so."""
        return not self.texts

    @property
    def unguarded(self) -> list[str]:
        """Return the references that may lead to a row of somebody else's, a sentence each."""
        return [
            f"{one.field.name} may name a row of {one.table.name} that is not the caller's"
            for one in self.blocks.references
            if one.table.has_owner and not one.is_guarded
        ]

    @property
    def changed(self) -> list[str]:
        """Return the files that were there before."""
        return [name for name in self.texts if (self.project.folder / name).exists()]

    def write(self, revision: str, text: str) -> None:
        """Write all files, and the revision in migrations/versions/, or none. Raises ScaffoldError."""
        folder = self.project.folder
        files = {folder / name: _as_before(folder / name, one) for name, one in self.texts.items()}
        write({**files, folder / "migrations" / "versions" / revision: text.encode()})


def _is_there(project: Project, blocks: Blocks, new: Mapping[str, str]) -> bool:
    return (
        blocks.model() in project.models.text
        and blocks.schemas() in project.schemas.text
        and is_wired(project.main, blocks.names)
        and all(project.text(name) == text for name, text in new.items())
    )


def _check(project: Project, blocks: Blocks, tables: Tables, new: Mapping[str, str]) -> None:
    """Raise ScaffoldError for the first name that something else has."""
    names = blocks.names
    imports = [*blocks.model_imports(), *blocks.schema_imports()]
    imported = {name for module, name in imports if module != "models"}
    for source in (project.models, project.schemas):
        for name in sorted(blocks.defined[source.name]):
            if name in source.bound():
                raise _taken(name, source.name)
            if name in _CLASSES or name in imported:
                raise ScaffoldError(
                    f"{name} is a name that the code of a resource needs itself: choose another."
                )
    if names.many in {table.name for table in tables}:
        raise _taken(f"The table {names.many!r}", "models.py")
    if names.many in project.main.bound():
        raise _taken(names.many, "main.py")
    if names.many in _MODULES or (project.folder / f"{names.many}.py").exists():
        raise ScaffoldError(
            f"{names.many!r} is the name of a module of the project: choose another, or --plural."
        )
    for name in new:
        if (project.folder / name).exists():
            raise ScaffoldError(
                f"{name} is there already, and is not what this would write: choose another name."
            )
    if where := project.says(names.path):
        raise _taken(names.path, where)


def _taken(what: str, where: str) -> ScaffoldError:
    return ScaffoldError(
        f"{what} is in {where} already, and is not what this would write: choose another name."
    )


def _changed(project: Project, blocks: Blocks) -> dict[str, str]:
    models = project.models.appended(blocks.model())
    for module, name in blocks.model_imports():
        models = models.importing(module, name)
    block, imports = blocks.schemas(), blocks.schema_imports()
    if any(field.type == "time" for field in blocks.fields) and "TimeOfDay" not in project.schemas.bound():
        block = f"{TIME_OF_DAY}\n\n{block}"
        imports = [*imports, ("typing", "Annotated"), ("pydantic", "AfterValidator")]
    schemas = project.schemas.appended(block)
    for module, name in imports:
        schemas = schemas.importing(module, name)
    return {
        "models.py": models.text,
        "schemas.py": schemas.text,
        "main.py": wired(project.main, blocks.names).text,
    }


def _as_before(path: Path, text: str) -> bytes:
    """Return a text with the ends of lines that its file had."""
    windows = path.exists() and b"\r\n" in path.read_bytes()
    return (text.replace("\n", "\r\n") if windows else text).encode()
