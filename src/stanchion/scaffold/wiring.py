"""The edits of a project's main.py that put a router in the app, and leave the rest as it was written."""

import ast
from collections.abc import Iterator

from stanchion.scaffold.blocks import template
from stanchion.scaffold.errors import ScaffoldError
from stanchion.scaffold.layout import WIDTH
from stanchion.scaffold.names import Names
from stanchion.scaffold.source import Source


def is_wired(main: Source, names: Names) -> bool:
    """Tell whether the app has the router already."""
    return names.many in main.bound() and names.many in _included(main)


def wired(main: Source, names: Names) -> Source:
    """Return main.py with the import, the tag and the router. Raises ScaffoldError where it has no place."""
    if not any(_routers(main)) and not any(_inclusions(main)):
        raise ScaffoldError(
            "main.py includes no router that another could follow: add an app.include_router first."
        )
    return _with_tag(_with_router(main, names), names).importing("routers", names.many)


def _with_router(main: Source, names: Names) -> Source:
    for loop, routers in _routers(main):
        last = routers.elts[-1]
        length = len(main.lines[loop.lineno - 1].rstrip("\n"))
        if loop.lineno == routers.end_lineno and length + len(names.many) + 2 > WIDTH:
            break
        if last.lineno == loop.lineno:
            return main.changed(main.end(last), main.end(last), f", {names.many}")
        line = main.lines[last.lineno - 1]
        indent = line[: len(line) - len(line.lstrip())]
        return main.changed(main.end(last), main.end(last), f",\n{indent}{names.many}")
    after = [*_inclusions(main), *(loop for loop, _ in _routers(main))]
    end = main.end(max(after, key=lambda node: node.lineno))
    end = (
        end + main.text[end:].index("\n") if "\n" in main.text[end:] else len(main.text)
    )  # after its comment
    return main.changed(end, end, f"\napp.include_router({names.many}.router)")


def _with_tag(main: Source, names: Names) -> Source:
    tags = _tags(main)
    if not tags or names.many in {_tag_name(one) for one in tags}:
        return main
    later = next((one for one in tags if _tag_name(one) == "health"), None)
    text = _tag(names)
    if later is None:
        last = tags[-1]
        line = main.lines[last.lineno - 1]
        indent = line[: len(line) - len(line.lstrip())]
        gap = f"\n{indent}" if line.startswith("{", len(indent)) else " "
        return main.changed(main.end(last), main.end(last), f",{gap}{text}")
    before = main.text[: main.start(later)].rpartition("\n")[2]
    gap = f"\n{before}" if not before.strip() else " "
    return main.changed(main.start(later), main.start(later), f"{text},{gap}")


def _tag(names: Names) -> str:
    """Return the template's tag of the todos, for these."""
    main = template("main.py")
    found = next(one for one in _tags(main) if _tag_name(one) == "todos")
    text = main.text[main.start(found) : main.end(found)]
    words = names.many.replace("_", " ")
    return text.replace('"todos"', f'"{names.many}"').replace("todos", words)


def _tags(main: Source) -> list[ast.expr]:
    for node in ast.walk(main.tree):
        if isinstance(node, ast.Call):
            for one in node.keywords:
                if one.arg == "openapi_tags" and isinstance(one.value, ast.List):
                    return one.value.elts
    return []


def _tag_name(node: ast.expr) -> str:
    if isinstance(node, ast.Dict):
        for key, value in zip(node.keys, node.values, strict=True):
            if isinstance(key, ast.Constant) and key.value == "name" and isinstance(value, ast.Constant):
                return str(value.value)
    return ""


def _included(main: Source) -> set[str]:
    """Return the names of what the app includes."""
    found = {ast.unparse(one) for _, routers in _routers(main) for one in routers.elts}
    for node in _inclusions(main):
        assert isinstance(node.value, ast.Call)
        found |= {ast.unparse(one).removesuffix(".router") for one in node.value.args}
    return found


def _routers(main: Source) -> Iterator[tuple[ast.For, ast.Tuple | ast.List]]:
    """Give the loops that include each of several routers."""
    for node in main.tree.body:
        if not isinstance(node, ast.For) or not any(map(_is_inclusion, node.body)):
            continue
        if isinstance(node.iter, ast.Tuple | ast.List) and node.iter.elts:
            yield node, node.iter


def _inclusions(main: Source) -> Iterator[ast.Expr]:
    """Give the lines that include one."""
    return (node for node in main.tree.body if isinstance(node, ast.Expr) and _is_inclusion(node))


def _is_inclusion(node: ast.stmt) -> bool:
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Call)
        and ast.unparse(node.value.func) == "app.include_router"
    )
