"""Idempotency-Key: a request that is sent again gets the first one's reply, and does not run again.

After draft-ietf-httpapi-idempotency-key-header-07. The reply is a row of the write's own
transaction, so the two commit together or not at all:

    idempotent = Idempotency(database, caller=get_caller)
    router = APIRouter(route_class=IdempotentRoute)

    @router.post("/orders", status_code=201, dependencies=[Depends(idempotent)])
"""

from stanchion.idempotency.dependency import Idempotency
from stanchion.idempotency.errors import KeyInUseError, KeyReusedError
from stanchion.idempotency.route import IdempotentRoute

__all__ = ["Idempotency", "IdempotentRoute", "KeyInUseError", "KeyReusedError"]
