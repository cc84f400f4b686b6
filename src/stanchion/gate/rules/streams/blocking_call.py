"""
# A01: a blocking call is in an async function

## What it does
Looks in every `async def` for calls that wait without giving way: what Ruff's ASYNC rules know
(`time.sleep`, `requests`, `subprocess.run`, `open`), a synchronous SQLAlchemy or SQLModel session, and the
hashing of passwords. What stands in a function within it, or in a lambda, is left out.

## Why it is bad
An async function shares its thread with every other request of the process. While it waits in such a call,
nobody is served, the health check included: one slow query stops them all.

## Example
```python
@app.get("/todos")
async def todos(session: Annotated[Session, Depends(get_session)]) -> list[Todo]:
    return session.exec(select(Todo)).all()
```

## Use instead
```python
@app.get("/todos")
def todos(session: Annotated[Session, Depends(get_session)]) -> list[Todo]:
    return session.exec(select(Todo)).all()
```

FastAPI runs a `def` in a thread. Or stay with `async def`, and await an `AsyncSession`, or
`run_in_threadpool(...)`.
"""

import ast
import json
import subprocess
from collections.abc import Iterator

from stanchion.gate.model import Finding, Kind, Line, NotChecked, Severity, Verdict, rule
from stanchion.gate.names import assignments, body, dotted, functions, last, origin
from stanchion.gate.source import Module
from stanchion.gate.subject import Subject

_SESSIONS = frozenset(
    {
        "sqlalchemy.orm.Session",
        "sqlalchemy.orm.session.Session",
        "sqlmodel.Session",
        "sqlmodel.orm.session.Session",
    }
)
_ASKS = frozenset(
    {"commit", "exec", "execute", "flush", "get", "merge", "query", "refresh", "scalar", "scalars"}
)
_HASHES = frozenset(
    {
        "bcrypt.checkpw",
        "bcrypt.hashpw",
        "bcrypt.kdf",
        "hashlib.pbkdf2_hmac",
        "hashlib.scrypt",
    }
)
_HASHERS = frozenset(
    {
        "argon2.PasswordHasher",
        "passlib.context.CryptContext",
        "pwdlib.PasswordHash",
        "pwdlib.PasswordHash.recommended",
    }
)
_SLEEPS = frozenset({"time.sleep"})
_ADVICE = "Make the function a plain def, which FastAPI runs in a thread, or await an async equivalent."


@rule(
    "A01",
    "Nothing blocks in an async function",
    severity=Severity.major,
    kind=Kind.static,
    line=Line.blocking,
)
def blocking_call(subject: Subject) -> Iterator[Finding]:
    """Find the calls that block: our own first, then Ruff's."""
    seen = set()
    for module in subject.code:
        for function in functions(module):
            if not isinstance(function, ast.AsyncFunctionDef):
                continue
            for line, message in _blocking(subject.code, module, function):
                if (module.path, line) not in seen:
                    seen.add((module.path, line))
                    yield _finding(module, line, f"{message} in the async function {function.name}.")
    for module, line, message in _ruff(subject):
        if (module.path, line) not in seen:
            seen.add((module.path, line))
            yield _finding(module, line, message)


def _finding(module: Module, line: int, message: str) -> Finding:
    return Finding(
        message=message,
        verdict=Verdict.suspected,
        file=module.path,
        line=line,
        evidence=module.line(line),
        advice=_ADVICE,
    )


def _ruff(subject: Subject) -> Iterator[tuple[Module, int, str]]:
    """Ask Ruff. Of ASYNC, the 200s are about what blocks; ASYNC240 is about paths, which is quick."""
    try:
        from ruff import find_ruff_bin
    except ImportError as exc:
        raise NotChecked("ruff is not installed: pip install 'stanchion[check]'") from exc
    modules = {str(subject.files.root / module.path): module for module in subject.code if module.tree}
    if not modules:
        return
    command = [find_ruff_bin(), "check", "--isolated", "--no-cache", "--exit-zero", "--output-format", "json"]
    command += ["--select", "ASYNC2", "--ignore", "ASYNC240", "--target-version", "py311", "--", *modules]
    try:
        done = subprocess.run(command, capture_output=True, check=True, timeout=60)  # noqa: S603
    except (OSError, subprocess.SubprocessError) as exc:
        raise NotChecked(f"ruff did not run ({exc.__class__.__name__})") from exc
    for found in json.loads(done.stdout):
        module = modules.get(found["filename"])
        if module is not None and str(found["code"]).startswith("ASYNC"):
            yield module, found["location"]["row"], f"{found['message'].rstrip('.')} ({found['code']})."


def _blocking(
    code: tuple[Module, ...], module: Module, function: ast.AsyncFunctionDef
) -> Iterator[tuple[int, str]]:
    """Give the line of each call that blocks, and what it is; of each session, the first."""
    nodes = list(body(function))
    awaited = {id(node.value) for node in nodes if isinstance(node, ast.Await)}
    sessions = {
        argument.arg
        for argument in (*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs)
        if argument.annotation is not None and _is_session(code, module, argument.annotation)
    }
    hashers = _hashers(code, module)
    opened: set[str] = set()
    for node in nodes:
        if isinstance(node, ast.With):
            for item in node.items:
                if _makes_session(code, module, item.context_expr):
                    opened.add(last(item.optional_vars) if item.optional_vars else "")
                    yield node.lineno, "A synchronous session is opened"
        elif isinstance(node, ast.Assign) and _makes_session(code, module, node.value):
            sessions.update(last(target) for target in node.targets)
    for node in sorted(
        (node for node in nodes if isinstance(node, ast.Call) and id(node) not in awaited),
        key=lambda call: (call.lineno, call.col_offset),
    ):
        name = dotted(module, node.func)
        if name in _HASHES:
            yield node.lineno, f"{name} takes its time"
        elif name in _SLEEPS:
            yield node.lineno, f"{name} blocks"
        elif isinstance(node.func, ast.Attribute):
            holder = last(node.func.value) if isinstance(node.func.value, ast.Name) else ""
            if holder in sessions - opened and node.func.attr in _ASKS:
                sessions.discard(holder)
                yield node.lineno, f"The synchronous session {holder} is used"
            elif holder in hashers and node.func.attr in ("hash", "verify", "verify_and_update"):
                yield node.lineno, f"{holder}.{node.func.attr} takes its time"


def _is_session(code: tuple[Module, ...], module: Module, annotation: ast.expr, depth: int = 5) -> bool:
    """Tell whether it is the synchronous Session, or an alias for it as in `Annotated[Session, ...]`."""
    if isinstance(annotation, ast.Constant) and isinstance(annotation.value, str):
        try:
            annotation = ast.parse(annotation.value, mode="eval").body
        except SyntaxError:
            return False
    if isinstance(annotation, ast.Subscript):
        if last(annotation.value) != "Annotated" or not isinstance(annotation.slice, ast.Tuple):
            return False
        return _is_session(code, module, annotation.slice.elts[0], depth)
    name = dotted(module, annotation)
    if name in _SESSIONS:
        return True
    holder, value = _value(code, module, annotation)
    return bool(depth) and value is not None and _is_session(code, holder, value, depth - 1)


def _makes_session(code: tuple[Module, ...], module: Module, node: ast.expr) -> bool:
    """Tell whether it is `Session(engine)`, or `SessionLocal()` of `sessionmaker(...)`."""
    if not isinstance(node, ast.Call):
        return False
    if dotted(module, node.func) in _SESSIONS:
        return True
    holder, value = _value(code, module, node.func)
    return (
        isinstance(value, ast.Call)
        and dotted(holder, value.func)
        in ("sqlalchemy.orm.sessionmaker", "sqlalchemy.orm.session.sessionmaker")
        and not any(
            keyword.arg == "class_" and not _is_session(code, holder, keyword.value)
            for keyword in value.keywords
        )
    )


def _hashers(code: tuple[Module, ...], module: Module) -> set[str]:
    """Return the names that hold a hasher of passwords: `pwd_context = CryptContext(...)`."""
    found = set()
    for node in module.walk():
        if isinstance(node, ast.Name):
            holder, value = _value(code, module, node)
            if isinstance(value, ast.Call) and dotted(holder, value.func) in _HASHERS:
                found.add(node.id)
    return found


def _value(code: tuple[Module, ...], module: Module, node: ast.expr) -> tuple[Module, ast.expr | None]:
    """Return what a name holds, and the module where it is assigned, here or where it is imported from."""
    if isinstance(node, ast.Name) and node.id in assignments(module):
        return module, assignments(module)[node.id][-1]
    found = origin(code, dotted(module, node))
    if found is None or found[0] is module:
        return module, None
    holder, name = found
    values = assignments(holder).get(name)
    return holder, values[-1] if values else None
