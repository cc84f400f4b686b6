"""
# H07: invalid input is answered 422, and the field is named

## What it does
Sends each resource's creation an empty object and a list where an object belongs, and looks for a `422`
(or `400`) whose body names a field.

## Why it is bad
Input that is taken although it is wrong is found much later, in the data. Input that is refused without
saying where is guessed at.

## Example
```python
@app.post("/todos")
async def create_todo(request: Request):
    body = await request.json()
    return save(title=body["title"])  # KeyError: a 500
```

## Use instead
```python
class TodoCreate(BaseModel):
    title: str

@app.post("/todos", status_code=201)
async def create_todo(body: TodoCreate) -> TodoResponse: ...
```
"""

from collections.abc import Iterator

from stanchion.gate.evidence import seen
from stanchion.gate.journey import json_schema
from stanchion.gate.model import Finding, Kind, Line, NotChecked, Severity, rule
from stanchion.gate.subject import Subject


@rule(
    "H07",
    "Invalid input is a 422 that names the field",
    severity=Severity.major,
    kind=Kind.live,
    line=Line.details,
)
def invalid_input_gives_422(subject: Subject) -> Iterator[Finding]:
    """Send what the schema of the creation forbids."""
    asked = False
    for resource in subject.running.made():
        schema = subject.document.resolve(json_schema(subject.document, resource.create) or {})
        required = schema.get("required", ())
        if not required or resource.create is None:
            continue
        asked = True
        exchange = subject.running.ask(resource.create, json_body={})
        if exchange.status not in (400, 422):
            yield seen(
                subject,
                resource.create,
                exchange,
                message=f"A body without {required[0]!r}, which is required, is answered {exchange.status}.",
                advice="Declare the body as a Pydantic model.",
            )
        elif not any(name in exchange.content.decode("utf-8", "replace") for name in required):
            yield seen(
                subject,
                resource.create,
                exchange,
                message=f"The answer does not say that {required[0]!r} is missing.",
                advice="Leave FastAPI's RequestValidationError its errors: loc, msg and type.",
            )
    if not asked:
        raise NotChecked("no creation has a field that is required", applies=False)
