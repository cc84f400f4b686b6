"""The rules: one file each, its docstring the rule's page."""

import importlib
import pkgutil
from functools import cache

from stanchion.gate.model import Rule


@cache
def all_rules() -> tuple[Rule, ...]:
    """Return every rule, in the order of the ids."""
    found: list[Rule] = []
    for package in pkgutil.iter_modules(__path__, f"{__name__}."):
        for module in pkgutil.iter_modules(
            importlib.import_module(package.name).__path__, f"{package.name}."
        ):
            values = vars(importlib.import_module(module.name)).values()
            found += [value for value in values if isinstance(value, Rule)]
    return tuple(sorted(found, key=lambda one: one.id))
