"""
# C03: settings are in the code, or read from everywhere

## What it does
Looks for a host, a port or a debug flag that is a constant of a module, and for more than two reads of the
environment in more than one module of a project that has no settings class. The default of a variable is
fine.

## Why it is bad
A constant must be edited for each machine, and a debug flag forgotten in the code goes to production. Reads
in many places each have their own default and their own conversion, and a variable that is missing is
noticed when the request comes that needs it, not when the process starts.

## Example
```python
DEBUG = True
```

## Use instead
```python
class Settings(BaseSettings):
    DEBUG: bool = False


settings = Settings()
```
"""

import ast
import re
from collections.abc import Iterator

from stanchion.gate.model import Finding, Kind, Line, Severity, Verdict, rule
from stanchion.gate.names import imports, last
from stanchion.gate.rules.code.incomplete_env_example import Variable, reads, settings_classes
from stanchion.gate.source import Module
from stanchion.gate.subject import Subject

_CONSTANT = re.compile(
    r"((API|APP|CACHE|DATABASE|DB|MAIL|MONGO|MYSQL|POSTGRES|RABBITMQ|REDIS|SERVER|SMTP)_)?(DEBUG|HOST|PORT)"
)
_LIBRARIES = ("configparser", "decouple", "dynaconf", "environ", "environs", "goodconf", "starlette.config")


@rule(
    "C03",
    "Settings come from the environment, at one place",
    severity=Severity.minor,
    kind=Kind.static,
    line=Line.environment,
)
def settings_in_code(subject: Subject) -> Iterator[Finding]:
    """Find the constants, and the scattered reads."""
    modules = [module for module in subject.code if not module.is_aside]
    for module in modules:
        yield from _constants(module)
    found = list(reads(modules))
    if len(found) > 2 and len({one.module.path for one in found}) > 1 and not _has_settings(modules):
        yield _scattered(found)


def _constants(module: Module) -> Iterator[Finding]:
    defaults = set(_defaults(module))
    for node in module.tree.body if module.tree else ():
        if isinstance(node, ast.Assign) and len(node.targets) == 1:
            target = node.targets[0]
        elif isinstance(node, ast.AnnAssign):
            target = node.target
        else:
            continue
        name = last(target) if isinstance(target, ast.Name) else ""
        if not _CONSTANT.fullmatch(name) or name in defaults or not isinstance(node.value, ast.Constant):
            continue
        if node.value.value is None or node.value.value == "":
            continue
        yield Finding(
            message=f"{name} is a constant of the code.",
            verdict=Verdict.suspected,
            file=module.path,
            line=node.lineno,
            evidence=module.line(node.lineno),
            advice=f"Make {name} a field of a settings class, with this value as its default.",
        )


def _defaults(module: Module) -> Iterator[str]:
    """Give the names that hold where the environment says nothing: `os.getenv("PORT", PORT)`."""
    for node in module.walk():
        inside: list[ast.expr] = []
        if isinstance(node, ast.Call) and last(node.func) in ("Field", "get", "getenv"):
            inside = [*node.args, *(keyword.value for keyword in node.keywords)]
        elif isinstance(node, ast.ClassDef):
            inside = [one.value for one in node.body if isinstance(one, ast.AnnAssign) and one.value]
        for one in inside:
            yield from (part.id for part in ast.walk(one) if isinstance(part, ast.Name))


def _has_settings(modules: list[Module]) -> bool:
    """Tell whether there is a settings class, or a library for settings."""
    return bool(settings_classes(modules)) or any(
        name == library or name.startswith(f"{library}.")
        for module in modules
        for name in imports(module).values()
        for library in _LIBRARIES
    )


def _scattered(found: list[Variable]) -> Finding:
    names = sorted({one.names[0] for one in found})
    places = sorted({one.module.path for one in found})
    return Finding(
        message=f"The environment is read {len(found)} times in {len(places)} modules, by no settings class.",
        verdict=Verdict.suspected,
        file=found[0].module.path,
        line=found[0].line,
        evidence=f"{', '.join(names)} in {', '.join(places)}",
        advice="Collect the variables in one class that extends pydantic-settings' BaseSettings.",
    )
