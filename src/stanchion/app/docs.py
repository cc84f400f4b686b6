"""/docs without the internet: Swagger UI from a package on this machine."""

from importlib.resources import files

from fastapi import FastAPI, Request
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.responses import HTMLResponse
from fastapi.staticfiles import StaticFiles

_ASSETS = "/docs/assets"


def serve_docs(app: FastAPI) -> None:
    """Serve `app.docs_url` from local files; what is typed at Authorize lasts over a reload.

    An app made with `docs_url=None` or `openapi_url=None` has no such page, and gets none.
    """
    if app.docs_url is None or app.openapi_url is None:
        return
    page, openapi = app.docs_url, app.openapi_url
    # FastAPI's own page of the same path loads its assets from a CDN: ours stands before it.
    app.router.routes[:] = [route for route in app.router.routes if getattr(route, "path", None) != page]
    app.mount(_ASSETS, StaticFiles(directory=str(files("fastapi_offline") / "static")), name="docs_assets")
    parameters = {"persistAuthorization": True, **(app.swagger_ui_parameters or {})}

    async def docs(request: Request) -> HTMLResponse:
        root = request.scope.get("root_path", "").rstrip("/")
        return get_swagger_ui_html(
            openapi_url=root + openapi,
            title=f"{app.title} - docs",
            swagger_js_url=f"{root}{_ASSETS}/swagger-ui-bundle.js",
            swagger_css_url=f"{root}{_ASSETS}/swagger-ui.css",
            swagger_favicon_url=f"{root}{_ASSETS}/favicon.png",
            swagger_ui_parameters=parameters,
        )

    app.add_route(page, docs, include_in_schema=False)
