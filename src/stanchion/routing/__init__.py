"""The compiled route: FastAPI's signature, with less of its work for each request.

    router = APIRouter(route_class=CompiledRoute)
    match_once(app)

FastAPI reads the signature, makes OpenAPI of it and does everything around the path operation. What its
handler would work out for each request again (which parameters there are, where they come from, how each
dependency is called) is planned once; and `match_once` lets an app find such a route in one look, which
`install` does. All that Stanchion knows of FastAPI's handler and routers is in this package; `PROVEN_ON`
names the versions that it was proven on, and on others each route is FastAPI's own.
"""

from stanchion.routing.route import CompiledRoute, Surveyed, survey
from stanchion.routing.shortcut import match_once
from stanchion.routing.versions import PROVEN_ON

__all__ = ["PROVEN_ON", "CompiledRoute", "Surveyed", "match_once", "survey"]
