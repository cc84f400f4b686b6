"""/docs and /redoc without the internet: Swagger UI and ReDoc from a package on this machine."""

from collections.abc import Callable
from importlib.resources import files

from fastapi import FastAPI, Request
from fastapi.openapi.docs import get_redoc_html, get_swagger_ui_html
from fastapi.responses import HTMLResponse
from fastapi.staticfiles import StaticFiles

_ASSETS = "/docs/assets"


def serve_docs(app: FastAPI) -> None:
    """Serve `app.docs_url` and `app.redoc_url` from local files; Authorize lasts over a reload.

    A page that the app was made without (`docs_url=None`; `openapi_url=None` for both) it does not get.
    """
    openapi = app.openapi_url
    if openapi is None or (app.docs_url is None and app.redoc_url is None):
        return
    app.mount(_ASSETS, StaticFiles(directory=str(files("fastapi_offline") / "static")), name="docs_assets")
    redirect = app.swagger_ui_oauth2_redirect_url
    parameters = {"persistAuthorization": True, **(app.swagger_ui_parameters or {})}

    def swagger(root: str) -> HTMLResponse:
        return get_swagger_ui_html(
            openapi_url=root + openapi,
            title=f"{app.title} - docs",
            swagger_js_url=f"{root}{_ASSETS}/swagger-ui-bundle.js",
            swagger_css_url=f"{root}{_ASSETS}/swagger-ui.css",
            swagger_favicon_url=f"{root}{_ASSETS}/favicon.png",
            swagger_ui_parameters=parameters,
            oauth2_redirect_url=root + redirect if redirect else None,
            init_oauth=app.swagger_ui_init_oauth,
        )

    def redoc(root: str) -> HTMLResponse:
        return get_redoc_html(
            openapi_url=root + openapi,
            title=f"{app.title} - reference",
            redoc_js_url=f"{root}{_ASSETS}/redoc.standalone.js",
            redoc_favicon_url=f"{root}{_ASSETS}/favicon.png",
            with_google_fonts=False,
        )

    _replace(app, app.docs_url, swagger)
    _replace(app, app.redoc_url, redoc)


def _replace(app: FastAPI, path: str | None, page: Callable[[str], HTMLResponse]) -> None:
    """Put the page where FastAPI's own was, which loads its assets from a CDN."""
    if path is None:
        return
    routes = app.router.routes
    place = next((number for number, one in enumerate(routes) if getattr(one, "path", None) == path), 0)
    routes[:] = [one for one in routes if getattr(one, "path", None) != path]

    async def show(request: Request) -> HTMLResponse:
        return page(request.scope.get("root_path", "").rstrip("/"))

    app.add_route(path, show, include_in_schema=False)
    routes.insert(place, routes.pop())  # before a path of the app's own that would take any
