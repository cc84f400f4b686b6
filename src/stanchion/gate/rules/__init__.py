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
            # A rule may look at what another one found.
            found += [one for one in values if isinstance(one, Rule) and one.check.__module__ == module.name]
    return tuple(sorted(found, key=lambda one: one.id))
