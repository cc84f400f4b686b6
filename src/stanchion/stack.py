"""The one place that knows where FastAPI keeps a request's exit stacks.

FastAPI closes two stacks for each request: the *function* stack when the path operation
has returned and before its response is sent, and the *request* stack after the response.
`Depends(scope="function")` chooses the first for a generator, but forbids any dependency
with the default scope to build on it. Entering the stack directly has no such rule, so a
user's own dependencies may build on ours, whatever their scope.
"""

from contextlib import AsyncExitStack
from operator import attrgetter

from starlette.requests import HTTPConnection

PROVEN_ON = ("0.165",)
"""The FastAPI versions that `tests/test_stack.py` has been run on."""

FUNCTION_STACK = "fastapi_function_astack"
"""Where a request's scope has the stack that closes before the response is sent."""

REQUEST_STACK = "fastapi_inner_astack"
"""Where it has the stack that closes after the response."""

HANDLER_STACK = "fastapi_middleware_astack"
"""Where it has the stack that closes last, outside the handlers of exceptions."""


def function_stack(connection: HTTPConnection) -> AsyncExitStack:
    """Return the stack that closes before the response is sent.

    Raises RuntimeError outside a FastAPI path operation, where there is no such stack.
    """
    stack = connection.scope.get(FUNCTION_STACK)
    if not isinstance(stack, AsyncExitStack):
        raise RuntimeError(
            "There is no FastAPI path operation around this call: use it as a dependency, "
            "or open `database.transaction()` yourself."
        )
    return stack


callbacks = attrgetter("_exit_callbacks")
"""Returns what is to be done when a stack is closed: empty for one that nobody has used."""
