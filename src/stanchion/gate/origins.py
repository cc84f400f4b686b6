"""What the CORS middleware of an app was told."""

from stanchion.gate.subject import Loaded


def has_cors(app: Loaded) -> bool:
    """Tell whether the app has Starlette's CORS middleware, or one made of it."""
    return any("CORSMiddleware" in one.get("bases", ()) for one in app.middleware)


def configured_origins(app: Loaded) -> list[str]:
    """Return the origins that are named; `*` names none."""
    for one in app.middleware:
        origins = (
            one.get("options", {}).get("allow_origins", ())
            if "CORSMiddleware" in one.get("bases", ())
            else ()
        )
        if origins:
            return [origin for origin in origins if isinstance(origin, str) and origin != "*"]
    return []
