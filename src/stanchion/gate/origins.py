"""What the CORS middleware of an app was told."""

from stanchion.gate.names import imports
from stanchion.gate.subject import Loaded, Subject

_PAGES = ("Jinja2Templates", "HTMLResponse")
_TEMPLATES = ("fastapi_chameleon", "fastapi_htmx", "fastapi_jinja", "fasthx", "htpy", "nicegui")
"""Packages that make pages of what an operation returns."""


def has_cors(app: Loaded) -> bool:
    """Tell whether the app has Starlette's CORS middleware, or one made of it."""
    return any("CORSMiddleware" in one.get("bases", ()) for one in app.middleware)


def configured_origins(app: Loaded) -> list[str]:
    """Return the origins that are named; `*` names none."""
    return [origin for origin in _origins(app) if origin not in ("*", "")]


def lets_everybody_in(app: Loaded) -> bool:
    """Tell whether the middleware was told `*`."""
    return "*" in _origins(app)


def _origins(app: Loaded) -> list[str]:
    for one in app.middleware:
        if "CORSMiddleware" in one.get("bases", ()) and (origins := one["options"].get("allow_origins")):
            return [origin for origin in origins if isinstance(origin, str)]
    return []


def serves_pages(subject: Subject) -> bool:
    """Tell whether the app sends its own pages: then it has a frontend, and that is of its own origin."""
    if subject.source is None:
        return False
    names = {name for module in subject.code for name in imports(module).values()}
    return not {name.rpartition(".")[2] for name in names}.isdisjoint(_PAGES) or not {
        name.partition(".")[0] for name in names
    }.isdisjoint(_TEMPLATES)
