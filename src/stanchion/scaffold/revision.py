"""The revision of a new table as a formatter lays it out: Alembic writes it with lines of any length."""

import ast

from stanchion.scaffold.layout import laid_out
from stanchion.scaffold.source import Source


def tidied(text: str) -> str:
    """Return a revision with double quotes, and its calls on lines that are short enough.

    It is one of a new table, in which no text holds a quote.
    """
    source = Source.of("the revision", text.replace("'", '"'))
    calls = [
        node
        for node in ast.walk(source.tree)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call)
    ]
    for node in sorted(calls, key=lambda one: -one.lineno):
        made = laid_out(ast.unparse(node).replace("'", '"'), node.col_offset)
        source = source.changed(source.place(node.lineno, 0), source.end(node), made)
    return source.text
