"""
# L04: a table is not the schema of a request

## What it does
Compares the schemas of request bodies with the tables that the project declares.

## Why it is bad
Every column can be sent then: the id, the owner, the moment of creation. And each column that is added is
open to all from that day on.

## Example
```python
class Todo(SQLModel, table=True): ...

@app.post("/todos")
def create_todo(todo: Todo) -> Todo: ...
```

## Use instead
```python
class TodoCreate(SQLModel):
    title: str

@app.post("/todos", status_code=201)
def create_todo(body: TodoCreate) -> TodoResponse: ...
```
"""

import ast
from collections.abc import Iterator

from stanchion.gate.model import Finding, Kind, Line, Severity, Verdict, rule
from stanchion.gate.subject import Subject


@rule(
    "L04",
    "A table is no schema of a request",
    severity=Severity.minor,
    kind=Kind.static,
    line=Line.schemas,
)
def table_is_no_schema(subject: Subject) -> Iterator[Finding]:
    """Look for a table's name among the references of the bodies."""
    tables = {
        node.name
        for module in subject.code
        for node in module.walk()
        if isinstance(node, ast.ClassDef)
        and any(
            one.arg == "table" and isinstance(one.value, ast.Constant) and one.value.value
            for one in node.keywords
        )
    }
    for operation in subject.document.operations:
        content = subject.document.resolve(operation.spec.get("requestBody", {})).get("content", {})
        for media in content.values():
            name = str(media.get("schema", {}).get("$ref", "")).rpartition("/")[2]
            if name.removesuffix("-Input") in tables:
                yield Finding(
                    message=f"The table {name} is the schema of the request: every column can be sent.",
                    verdict=Verdict.proven,
                    **subject.where(operation),
                    evidence=f"requestBody: #/components/schemas/{name}",
                    advice="Give the request a model of its own, with the fields that a client may choose.",
                )
