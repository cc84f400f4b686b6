"""A new table's operations as a formatter lays them out: Alembic writes them on lines of any length."""

import ast
import io
import re
import tokenize
from textwrap import dedent

from stanchion.scaffold.layout import laid_out
from stanchion.scaffold.source import Source

_SINGLE = re.compile(r"""([a-zA-Z]*)'([^'"]*)'""")


def tidied(code: str) -> str:
    """Return calls with double quotes, on lines that are short enough in the body of a function."""
    calls = Source.of("the revision", code).tree.body
    return dedent("\n".join(laid_out(double_quoted(ast.unparse(call)), 4) for call in calls))


def double_quoted(line: str) -> str:
    """Return a line of code with its texts in double quotes, but for those that hold a quote."""
    for token in reversed(list(tokenize.generate_tokens(io.StringIO(line).readline))):
        found = _SINGLE.fullmatch(token.string)
        if token.type == tokenize.STRING and found:
            line = f'{line[: token.start[1]]}{found[1]}"{found[2]}"{line[token.end[1] :]}'
    return line
