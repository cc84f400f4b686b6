"""The reference of the library, the settings, the commands and the rules, from their own docstrings.

Each function returns pages of plain Markdown: what shows them is another's business.
"""

import ast
import importlib
import inspect
import pkgutil
import re
import textwrap
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from types import ModuleType
from typing import Any

from pydantic import SecretStr
from pydantic.fields import FieldInfo
from typer.main import get_command

import stanchion
from stanchion.cli.commands import app
from stanchion.gate import Rule, all_rules
from stanchion.settings import Settings

WIDTH = 88
INSIDE = {
    *("cli", "gate", "scaffold", "template"),
    *("caller", "exchange", "log", "place", "secret", "signature", "stack"),
}
"""What nobody imports; `Caller` and `new_key` have their entries where users find them."""
FAMILIES = {
    "A": "Async and streams",
    "C": "Code",
    "D": "Database",
    "H": "HTTP",
    "L": "Layout",
    "O": "OpenAPI",
    "S": "Security",
    "T": "Contract",
}


def modules() -> Iterator[ModuleType]:
    """Give the public modules, the package itself first."""
    yield stanchion
    for found in pkgutil.iter_modules(stanchion.__path__):
        if found.name not in INSIDE:
            yield importlib.import_module(f"stanchion.{found.name}")


def names(module: ModuleType) -> list[str]:
    """Return the public names: of a package what it promises, of a module what it defines."""
    if hasattr(module, "__all__"):
        return [name for name in module.__all__ if not name.startswith("__")]
    (tree,) = _trees(module)
    defined = (name for node in tree.body for name in _names(node))
    return [name for name in defined if not name.startswith("_")]


def home(name: str) -> str:
    """Return the module whose page has the entry of a name that the package itself gives, too."""
    return next(one.__name__ for one in modules() if one is not stanchion and name in names(one))


def reference(module: ModuleType) -> str:
    """Return the page of a module: what it is for, and each of its names."""
    parts = [f"# {module.__name__}", inspect.getdoc(module) or ""]
    if module is stanchion:
        rows = [f"| [`{name}`]({home(name)}.md#{name.lower()}) | `{home(name)}` |" for name in names(module)]
        return "\n\n".join([*parts, "\n".join(["| name | its home |", "| --- | --- |", *rows])]) + "\n"
    for name in sorted(names(module), key=lambda one: (not one[0].isupper(), one.lower())):
        parts += [f"## {name}", *_entry(module, name)]
    return "\n\n".join(filter(None, parts)) + "\n"


def said(module: ModuleType, name: str) -> str:
    """Return what the page says of one name, without its signature; empty where nothing is said."""
    value = getattr(module, name)
    if inspect.isclass(value) or inspect.isroutine(value):
        return ast.get_docstring(_tree_of(value)) or ""
    trees = list(_trees(module))
    own = next(filter(None, (_renamed(tree, name) for tree in trees)), name)
    return next(filter(None, (_assigned(tree, own) for tree in trees)), "")


def members(value: type[Any]) -> Iterator[tuple[str, str, str]]:
    """Give a class's own public members: name, signature and docstring."""
    tree = _tree_of(value)
    for node in tree.body:
        for name in _names(node):
            if name.startswith("_") and name not in ("__call__",):
                continue
            match node:
                case ast.FunctionDef() | ast.AsyncFunctionDef():
                    yield name, _signature(node), ast.get_docstring(node) or ""
                case _:
                    yield name, ast.unparse(node), _assigned(tree, name)


def settings() -> str:
    """Return the page of the settings: each with its type, its default and what it is for."""
    rows = ["| setting | type | default | |", "| --- | --- | --- | --- |"]
    for name, field in Settings.model_fields.items():
        rows.append(f"| `{name}` | {_type(field)} | {_default(field)} | {field.description or ''} |")
    return "\n\n".join(
        [
            "# Settings",
            inspect.getdoc(Settings) or "",
            "A setting that is missing or wrong is a sentence before anything starts. `.env.example` of a "
            "project lists them all; a project adds its own in `settings.py`.",
            "\n".join(rows),
        ]
    )


def commands() -> str:
    """Return the page of the command: each subcommand with its arguments and options."""
    root = get_command(app)
    parts = ["# Commands", "`stanchion --help` says the same, and `-h` does after each of them."]
    for words, command in _commands(root, ("stanchion",)):
        usage = " ".join([*words, "[OPTIONS]", *_arguments_of(command)])
        parts += [f"## {' '.join(words)}", f"```text\n{usage}\n```", inspect.cleandoc(command.help or "")]
        if rows := list(_parameters(command)):
            parts.append("\n".join(["| argument, option | |", "| --- | --- |", *rows]))
    return "\n\n".join(parts) + "\n"


def command_names() -> list[str]:
    """Return every subcommand there is, as it is typed."""
    return [" ".join(words[1:]) for words, _ in _commands(get_command(app), ("stanchion",))]


def rules() -> Iterator[tuple[str, str]]:
    """Give the pages of the gate's rules: a name, and the text. The first lists the others."""
    parts = [
        "# Rules",
        "What `stanchion check` proves. A *critical* finding lets others read or take over what is not "
        "theirs, or loses what was acknowledged; a *major* one breaks or misleads clients or operations; a "
        "*minor* one costs somebody time. A *static* rule reads, a *live* one asks the running app, an "
        "*instrumented* one watches it from inside. `# stanchion: ignore[S04] reason` beside a line accepts "
        "a finding.",
    ]
    for letter, family in FAMILIES.items():
        rows = [
            f"| [{one.id}]({one.id}.md) | {one.title} | {one.severity} | {one.kind} |"
            for one in all_rules()
            if one.id.startswith(letter)
        ]
        parts += [
            f"## {family}",
            "\n".join(["| rule | | severity | kind |", "| --- | --- | --- | --- |", *rows]),
        ]
    yield "index", "\n\n".join(parts) + "\n"
    for one in all_rules():
        yield one.id, rule_page(one)


def rule_page(one: Rule) -> str:
    """Return a rule's own page, with what it weighs and the line of the checklist that it answers to."""
    lines = "; ".join([one.line.value, *(also.value for also in one.also)])
    title, _, rest = one.page.partition("\n")
    return f"{title}\n\n*{one.severity.capitalize()}, {one.kind}.* On the checklist: {lines}.\n{rest}\n"


def _commands(command: Any, words: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    if len(words) > 1:
        yield words, command
    for name, one in getattr(command, "commands", {}).items():
        yield from _commands(one, (*words, name))


def _arguments_of(command: Any) -> Iterator[str]:
    for one in command.params:
        if one.param_type_name == "argument":
            shown = one.metavar or one.name.upper()
            yield shown if one.required or shown.startswith("[") else f"[{shown}]"


def _parameters(command: Any) -> Iterator[str]:
    for one in command.params:
        if "--help" in one.opts:
            continue
        opts = ", ".join(f"`{opt}`" for opt in (*one.opts, *one.secondary_opts))
        shown = opts if one.param_type_name == "option" else f"`{one.metavar or one.name.upper()}`"
        default = (
            ""
            if one.default in (None, False, "", ()) or callable(one.default)
            else f" (default: `{one.default}`)"
        )
        yield f"| {shown} | {(getattr(one, 'help', '') or '').replace('|', '&#124;')}{default} |"


def _type(field: FieldInfo) -> str:
    text = re.sub(r"\b(typing|pydantic\.types|pydantic_settings\.\w+)\.", "", str(field.annotation))
    text = field.annotation.__name__ if isinstance(field.annotation, type) else text
    return f"`{text}`".replace("|", "\\|")


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "none: it has to be set"
    value = field.default.get_secret_value() if isinstance(field.default, SecretStr) else field.default
    return "not set" if value in (None, "") else f"`{value}`"


def _entry(module: ModuleType, name: str) -> Iterator[str]:
    value = getattr(module, name)
    if inspect.isclass(value):
        yield _code("\n".join(_heading(value)))
    elif inspect.isroutine(value):
        yield _code(_signature(_tree_of(value)))
    yield said(module, name)
    if inspect.isclass(value):
        for member, signature, text in members(value):
            if text:
                yield f"### {name}.{member.replace('__', '&#95;&#95;')}"
                yield _code(signature)
                yield text


def _heading(value: type[Any]) -> Iterator[str]:
    """Give the lines of a class: its bases, the attributes that speak for themselves, and how it is made."""
    tree = _tree_of(value)
    bases = ", ".join(ast.unparse(base) for base in tree.bases)
    plain = [
        line for _, line, text in members(value) if not text and not line.startswith(("@", "def ", "async "))
    ]
    if value is Settings:
        plain = []  # they have a page of their own
    yield f"class {value.__name__}{f'({bases})' if bases else ''}" + (":" if plain else "")
    yield from (textwrap.indent(line, "    ") for line in plain)
    made = next((one for one in tree.body if getattr(one, "name", "") == "__init__"), None)
    if made is not None:
        yield f"\n{_signature(made, value.__name__)}"


def _code(text: str) -> str:
    return f"```python\n{text}\n```"


def _signature(node: Any, name: str = "") -> str:
    """Return a function's signature as it is written, over several lines where one is too long."""
    kind = "async def " if isinstance(node, ast.AsyncFunctionDef) else "def "
    head = name or kind + node.name
    tail = f" -> {ast.unparse(node.returns)}" if node.returns and not name else ""
    shown = (one for one in _arguments(node.args) if one.partition(":")[0] not in ("self", "cls"))
    arguments = [one for one in shown if not one.startswith("_")]  # those are for the document of an app
    line = f"{head}({', '.join(arguments)}){tail}"
    decorated = "".join(f"@{ast.unparse(one)}\n" for one in node.decorator_list)
    if len(line) <= WIDTH:
        return decorated + line
    return f"{decorated}{head}(\n" + "".join(f"    {one},\n" for one in arguments) + f"){tail}"


def _arguments(found: ast.arguments) -> Iterator[str]:
    positional = [*found.posonlyargs, *found.args]
    defaults = [None] * (len(positional) - len(found.defaults)) + list(found.defaults)
    for argument, default in zip(positional, defaults, strict=True):
        yield _argument(argument, default)
    if found.vararg:
        yield f"*{ast.unparse(found.vararg)}"
    elif found.kwonlyargs:
        yield "*"
    for argument, default in zip(found.kwonlyargs, found.kw_defaults, strict=True):
        yield _argument(argument, default)
    if found.kwarg:
        yield f"**{ast.unparse(found.kwarg)}"


def _argument(argument: ast.arg, default: ast.expr | None) -> str:
    equals = " = " if argument.annotation else "="
    return ast.unparse(argument) + (f"{equals}{ast.unparse(default)}" if default is not None else "")


def _tree_of(value: Any) -> Any:
    return ast.parse(textwrap.dedent(inspect.getsource(value))).body[0]


def _names(node: ast.stmt) -> list[str]:
    match node:
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
            return [name]
        case ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)):
            return [name]
    return []


def _assigned(tree: Any, name: str) -> str:
    """Return the text below an assignment."""
    for node, following in pairwise([*tree.body, None]):
        match following:
            case ast.Expr(value=ast.Constant(value=str(text))) if name in _names(node):
                return inspect.cleandoc(text)
    return ""


def _renamed(tree: ast.Module, name: str) -> str:
    """Return what a name is called where it is imported from; empty where it is not."""
    imported = (one for node in tree.body if isinstance(node, ast.ImportFrom) for one in node.names)
    return next((one.name for one in imported if one.asname == name), "")


def _trees(module: ModuleType) -> Iterator[ast.Module]:
    """Give the source of a module, and of those of its package."""
    path = Path(inspect.getfile(module))
    for one in sorted(path.parent.glob("*.py")) if path.name == "__init__.py" else [path]:
        yield ast.parse(one.read_text(encoding="utf-8"))
