"""
# L03: tables are declared

## What it does
Where SQLAlchemy or SQLModel is imported, looks for a class or a Table that declares a table.

## Why it is bad
Statements in text know nothing of the columns: neither a migration nor a type checker finds what a change
of the schema breaks.

## Example
```python
session.execute(text("SELECT id, title FROM todos"))
```

## Use instead
```python
class Todo(SQLModel, table=True):
    id: int | None = Field(default=None, primary_key=True)
    title: str
```
"""

import re
from collections.abc import Iterator

from stanchion.gate.model import Finding, Kind, Line, NotChecked, Severity, Verdict, rule
from stanchion.gate.subject import Subject

# The last is FastAPI Users': its tables are named in its own classes.
_TABLE = re.compile(
    r"table=True|__tablename__|mapped_column\(|\bTable\(|class \w+\([^)]*\bSQLAlchemyBase\w*Table"
)


@rule(
    "L03",
    "The tables are declared",
    severity=Severity.minor,
    kind=Kind.static,
    line=Line.tables,
)
def tables_declared(subject: Subject) -> Iterator[Finding]:
    """Look for `table=True`, `__tablename__`, a mapped column or `Table(...)`."""
    importing = [one for one in subject.code if one.imports & {"sqlalchemy", "sqlmodel"}]
    if not importing:
        raise NotChecked("neither SQLAlchemy nor SQLModel is imported", applies=False)
    if not any(_TABLE.search(one.text) for one in subject.files.modules):
        yield Finding(
            message="No table is declared.",
            verdict=Verdict.suspected,
            file=importing[0].path,
            evidence="no class with table=True or __tablename__, and no Table(...)",
            advice="Declare each table as a class, in models.py.",
        )
