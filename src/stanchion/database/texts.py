"""Comparisons of texts that both databases make alike.

LIKE is none of them: it has wildcards, and on SQLite it does not tell cases apart.
"""

from typing import Any, ClassVar

from sqlalchemy import Boolean, String
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement


class _Expression(FunctionElement[Any]):
    """SQL with places for its arguments, one for each database."""

    inherit_cache = True
    sqlite: ClassVar[str]
    postgresql: ClassVar[str]


class Contains(_Expression):
    """`Contains(text, part)`: the part is somewhere in the text. An empty one is in every text."""

    type = Boolean()
    inherit_cache = True
    sqlite = "(instr({0}, {1}) > 0)"
    postgresql = "(strpos({0}, {1}) > 0)"


class StartsWith(_Expression):
    """`StartsWith(text, part)`: the text begins with the part."""

    type = Boolean()
    inherit_cache = True
    sqlite = "(substr({0}, 1, length({1})) = {1})"
    postgresql = "starts_with({0}, {1})"


class EndsWith(_Expression):
    """`EndsWith(text, part)`: the text ends with the part."""

    type = Boolean()
    inherit_cache = True
    sqlite = "(substr({0}, length({0}) - length({1}) + 1) = {1})"
    postgresql = "(right({0}, length({1})) = {1})"


class Lower(_Expression):
    """`Lower(text)`: in lower case. On PostgreSQL the collation says of which letters: C knows ASCII alone.

    SQLite's own `lower` does too: there it is Python's, which `stanchion.database` gives each connection.
    """

    type = String()
    inherit_cache = True
    sqlite = "stanchion_lower({0})"
    postgresql = "lower({0})"


@compiles(_Expression)
def _postgresql(element: _Expression, compiler: SQLCompiler, **options: Any) -> str:
    return _filled(element.postgresql, element, compiler, options)


@compiles(_Expression, "sqlite")
def _sqlite(element: _Expression, compiler: SQLCompiler, **options: Any) -> str:
    return _filled(element.sqlite, element, compiler, options)


def _filled(sql: str, element: _Expression, compiler: SQLCompiler, options: dict[str, Any]) -> str:
    return sql.format(*(compiler.process(argument, **options) for argument in element.clauses))
