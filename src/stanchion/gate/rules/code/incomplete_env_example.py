"""
# C07: `.env.example` is incomplete

## What it does
Collects the variables that the code needs: `os.environ["NAME"]`, `os.getenv("NAME")`, and the fields of
settings classes that have no default. Each must be in `.env.example`, a comment is enough; git must not
ignore that file, and must ignore a `.env` beside it. Where no variable must be set, there is no
`.env.example`, and no repository with a `.env`, there is nothing to check.

## Why it is bad
Whoever starts the backend elsewhere copies `.env.example`; what is not in it they learn from a traceback,
one variable at a time. A `.env` that git does not ignore is committed sooner or later, with its secrets; a
`.env.example` that it ignores, as a line `.env*` makes it, is on nobody else's machine.

## Example
```python
class Settings(BaseSettings):
    API_KEY: SecretStr
    DATABASE_URL: str
```

```sh
# .env.example
API_KEY=
```

## Use instead
```sh
# .env.example
API_KEY=
DATABASE_URL=sqlite:///./app.db
```
"""

import ast
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from stanchion.gate.model import Finding, Kind, Line, NotChecked, Severity, Verdict, rule
from stanchion.gate.names import dotted, last
from stanchion.gate.source import Module
from stanchion.gate.subject import Subject

_FILE = ".env.example"
_VARIABLE = re.compile(r"^\s*#?\s*(?:export\s+)?([A-Za-z_]\w*)\s*[=:]", re.MULTILINE)
_IN_THE_IMAGE = re.compile(r"^\s*ENV\s+([A-Za-z_]\w*)[\s=]", re.MULTILINE)
_OF_THE_SYSTEM = frozenset(
    {
        "CI",
        "HOME",
        "HOSTNAME",
        "LANG",
        "PATH",
        "PWD",
        "TMPDIR",
        "TZ",
        "USER",
        "VIRTUAL_ENV",
        "WEB_CONCURRENCY",
    }
)
_DEFAULTS = ("default", "default_factory")


@dataclass(frozen=True)
class Variable:
    """A variable that the code reads, under any of its names."""

    names: tuple[str, ...]
    module: Module
    line: int
    nested: str = ""
    """What goes between the parts of a nested name: `__` of `DB__HOST`."""


@dataclass
class _Settings:
    """A settings class, as its text has it."""

    module: Module
    bases: tuple[str, ...]
    prefix: str | None = None
    nested: str | None = None
    fields: dict[str, Variable | None] = field(default_factory=dict)
    """None where there is a default."""
    elsewhere: bool = False
    """It reads from more than the environment."""


@rule(
    "C07",
    "`.env.example` is complete",
    severity=Severity.minor,
    kind=Kind.static,
    line=Line.env_example,
)
def incomplete_env_example(subject: Subject) -> Iterator[Finding]:
    """Compare what the code reads with what is written there."""
    modules = [module for module in subject.code if not module.is_aside]
    variables = [*reads(modules), *_required(modules)]
    example, env_is_ignored = subject.files.read(_FILE), _is_ignored(subject.files.root, ".env")
    if not variables and example is None and env_is_ignored is None:
        raise NotChecked(
            f"there is no {_FILE}, and no variable must be set: the code reads none by its name, and each "
            "setting has a default",
            applies=False,
        )
    written = {name.casefold() for name in _VARIABLE.findall(example or "")}
    written |= {name.casefold() for name in _IN_THE_IMAGE.findall(subject.files.read("Dockerfile") or "")}
    missing: dict[str, Variable] = {}
    for variable in variables:
        if not any(_is_written(name.casefold(), variable, written) for name in variable.names):
            missing.setdefault(variable.names[0].casefold(), variable)
    for variable in missing.values():
        name = variable.names[0]
        lacks = f"{_FILE} does not have it" if example is not None else f"there is no {_FILE}"
        yield Finding(
            message=f"The code reads {name}, and {lacks}.",
            verdict=Verdict.proven,
            file=variable.module.path,
            line=variable.line,
            evidence=_evidence(variable),
            advice=f"Add {name}= to {_FILE}, with a value that is no secret or with none.",
        )
    if example is not None and _is_ignored(subject.files.root, _FILE):
        yield Finding(
            message=f"Git ignores {_FILE}: it is committed nowhere.",
            verdict=Verdict.proven,
            file=_FILE,
            line=1,
            evidence=f"`git check-ignore {_FILE}` says yes",
            advice=f"Add !{_FILE} to .gitignore, below the line that ignores it.",
        )
    if env_is_ignored is False:
        yield Finding(
            message="Git does not ignore .env.",
            verdict=Verdict.proven,
            file=".env",
            line=1,
            evidence="`git check-ignore .env` says no",
            advice="Add .env to .gitignore, and take it out of git: git rm --cached .env.",
        )


def reads(modules: list[Module]) -> Iterator[Variable]:
    """Give each variable that is read with `os.environ` or `os.getenv`."""
    for module in modules:
        for node in module.walk():
            key: ast.expr | None = None
            if isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Load):
                if dotted(module, node.value) == "os.environ":
                    key = node.slice
            elif isinstance(node, ast.Call) and dotted(module, node.func) in ("os.getenv", "os.environ.get"):
                key = node.args[0] if node.args else None
            name = key.value if isinstance(key, ast.Constant) else None
            if key is not None and isinstance(name, str) and name not in _OF_THE_SYSTEM:
                yield Variable((name,), module, key.lineno)


def settings_classes(modules: list[Module]) -> "dict[str, _Settings]":
    """Return the classes that are, or descend from, pydantic-settings' BaseSettings."""
    classes = {
        node.name: (module, node)
        for module in modules
        for node in module.walk()
        if isinstance(node, ast.ClassDef)
    }
    found: dict[str, _Settings] = {}
    pending = True
    while pending:
        pending = False
        for name, (module, node) in classes.items():
            bases = tuple(last(base) for base in node.bases)
            # A library's own `Settings`, as of Stanchion, is taken for one.
            if name not in found and any(
                base in found or base == "BaseSettings" or (base.endswith("Settings") and base not in classes)
                for base in bases
            ):
                found[name] = _read(module, node, bases)
                pending = True
    return found


def _required(modules: list[Module]) -> Iterator[Variable]:
    """Give the fields without default of the settings classes that no other extends."""
    classes = settings_classes(modules)
    extended = {base for one in classes.values() for base in one.bases if base in classes}
    given = _given(modules)
    for name in classes:
        if name in extended:
            continue
        lineage = list(_lineage(name, classes))
        if any(each.elsewhere for each in lineage):
            continue
        prefix = next((each.prefix for each in lineage if each.prefix is not None), "")
        nested = next((each.nested for each in lineage if each.nested is not None), "")
        fields: dict[str, Variable | None] = {}
        for each in reversed(lineage):
            fields |= each.fields
        for attribute, variable in fields.items():
            if variable is None or attribute in given.get(name, ()):
                continue
            names = variable.names or (f"{prefix}{attribute}".upper(),)
            yield Variable(names, variable.module, variable.line, nested)


def _lineage(name: str, classes: "dict[str, _Settings]") -> "Iterator[_Settings]":
    """Give a class and what it extends."""
    yield classes[name]
    for base in classes[name].bases:
        if base in classes and base != name:
            yield from _lineage(base, classes)


def _given(modules: list[Module]) -> dict[str, set[str]]:
    """Return the fields that are given where a class is called: `Settings(debug=True)`."""
    found: dict[str, set[str]] = {}
    for module in modules:
        for node in module.walk():
            if isinstance(node, ast.Call) and node.keywords:
                names = {keyword.arg for keyword in node.keywords if keyword.arg}
                found.setdefault(last(node.func), set()).update(names)
    return found


def _read(module: Module, node: ast.ClassDef, bases: tuple[str, ...]) -> _Settings:
    one = _Settings(module, bases)
    _configure(one, node.keywords)
    for statement in node.body:
        if isinstance(statement, ast.ClassDef) and statement.name == "Config":
            for inner in statement.body:
                if isinstance(inner, ast.Assign):
                    _configure(one, [ast.keyword(arg=last(inner.targets[0]), value=inner.value)])
        elif isinstance(statement, ast.FunctionDef) and statement.name == "settings_customise_sources":
            one.elsewhere = True
        elif isinstance(statement, ast.Assign | ast.AnnAssign):
            target = statement.targets[0] if isinstance(statement, ast.Assign) else statement.target
            if last(target) == "model_config":
                _configure_from(one, statement.value)
            elif isinstance(statement, ast.AnnAssign):
                _add_field(one, last(target), statement)
            else:
                one.fields[last(target)] = None
    return one


def _configure_from(one: _Settings, value: ast.expr | None) -> None:
    if isinstance(value, ast.Call):
        _configure(one, value.keywords)
    elif isinstance(value, ast.Dict):
        pairs = zip(value.keys, value.values, strict=True)
        _configure(
            one,
            [
                ast.keyword(arg=str(key.value), value=each)
                for key, each in pairs
                if isinstance(key, ast.Constant)
            ],
        )


def _configure(one: _Settings, options: list[ast.keyword]) -> None:
    for option in options:
        text = str(option.value.value) if isinstance(option.value, ast.Constant) else None
        if option.arg == "env_prefix":
            one.prefix = text
            one.elsewhere = one.elsewhere or text is None
        elif option.arg == "env_nested_delimiter":
            one.nested = text
        elif option.arg in ("secrets_dir", "yaml_file", "toml_file", "json_file", "cli_parse_args"):
            one.elsewhere = True


def _add_field(one: _Settings, name: str, statement: ast.AnnAssign) -> None:
    annotation = ast.unparse(statement.annotation)
    if not name or name.startswith("_") or "ClassVar" in annotation:
        return
    calls = [
        node
        for part in (statement.annotation, statement.value)
        if part is not None
        for node in ast.walk(part)
        if isinstance(node, ast.Call) and last(node.func) == "Field"
    ]
    value = statement.value
    in_value = isinstance(value, ast.Call) and value in calls
    has_default = (value is not None and not in_value and not _is_ellipsis(value)) or any(
        any(keyword.arg in _DEFAULTS and not _is_ellipsis(keyword.value) for keyword in call.keywords)
        or (call is value and bool(call.args) and not _is_ellipsis(call.args[0]))
        for call in calls
    )
    aliases = tuple(
        str(node.value)
        for call in calls
        for keyword in call.keywords
        if keyword.arg in ("alias", "validation_alias", "env")
        for node in ast.walk(keyword.value)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    )
    one.fields[name] = None if has_default else Variable(aliases, one.module, statement.lineno)


def _is_ellipsis(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is Ellipsis


def _evidence(variable: Variable) -> str:
    """Return the line as far as the name, as in `os.getenv("NAME",`: a default may be a secret."""
    head, name, tail = variable.module.line(variable.line).partition(variable.names[0])
    return f"{head}{name}{tail[:2]}" if name else head


def _is_written(name: str, variable: Variable, written: set[str]) -> bool:
    inner = f"{name}{variable.nested.casefold()}"
    return name in written or (bool(variable.nested) and any(one.startswith(inner) for one in written))


def _is_ignored(root: Path, name: str) -> bool | None:
    """Ask git whether it ignores a file; None where there is no such file, no repository or no git."""
    if not (root / name).is_file():
        return None
    command = ["git", "-C", str(root), "check-ignore", "-q", name]
    try:
        done = subprocess.run(command, capture_output=True, check=False, timeout=30)  # noqa: S603
    except (OSError, subprocess.SubprocessError):
        return None
    return {0: True, 1: False}.get(done.returncode)
