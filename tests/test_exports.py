"""The public names: what users import is a promise."""

import ast
import importlib
import subprocess
import sys
from pathlib import Path

import pytest

import stanchion

NAMES = {
    "stanchion": {"Caller", "Database", "DomainError", "Resource", "Settings", "__version__", "install"},
    "stanchion.app": {"install"},
    "stanchion.database": {
        "BigID",
        "Database",
        "DatabaseBusyError",
        "DatabaseURLError",
        "DatabaseUnavailableError",
        "UTCDateTime",
        "Violated",
        "notify",
        "now",
        "on_commit",
        "parse",
        "record",
        "violated",
        "violation",
    },
    "stanchion.errors": {
        "ConflictError",
        "ContentTooLargeError",
        "DomainError",
        "ErrorDetail",
        "ErrorResponse",
        "ForbiddenError",
        "GoneError",
        "InvalidError",
        "NotFoundError",
        "PreconditionFailedError",
        "PreconditionRequiredError",
        "TooManyRequestsError",
        "UnauthorizedError",
        "UnavailableError",
        "handle_errors",
        "problem",
        "request_id",
        "responses",
    },
    "stanchion.events": {
        "Change",
        "EventStream",
        "Events",
        "FeedNotReadyError",
        "PositionGoneError",
        "Ticket",
        "UntoldWarning",
        "Visibility",
    },
    "stanchion.filtering": {"Filters"},
    "stanchion.idempotency": {"Idempotency", "IdempotentRoute", "KeyInUseError", "KeyReusedError"},
    "stanchion.jobs": {
        "ArgumentsError",
        "Failure",
        "GiveUpError",
        "Job",
        "JobContext",
        "JobFunction",
        "Jobs",
        "LeaseLostError",
        "Status",
        "Worker",
    },
    "stanchion.pagination": {
        "Cursor",
        "Listing",
        "Order",
        "Page",
        "Selection",
        "Sorting",
        "add_links",
        "refuse_unknown",
    },
    "stanchion.resource": {"MEDIA_TYPES", "Access", "FileFormat", "Resource"},
    "stanchion.routing": {"PROVEN_ON", "CompiledRoute", "Surveyed", "match_once", "survey"},
    "stanchion.security": {
        "ApiKey",
        "Caller",
        "KeyGuard",
        "Password",
        "SignInLimit",
        "create",
        "find",
        "forget",
        "hash_password",
        "list_all",
        "list_keys",
        "new_key",
        "revoke",
        "revoke_own",
        "verify_password",
    },
    "stanchion.testing": {"client", "prepare"},
}

MODULES = {
    "concurrency": {"IfMatch", "IfNoneMatch", "Precondition", "etag"},
    "headers": {"headers", "location"},
    "logging": {
        "Format",
        "RequestLogMiddleware",
        "access_log",
        "configure",
        "log_requests",
        "redact",
        "route_template",
    },
    "reply": {"AnsweredError", "Handler", "Keep", "ReplyRoute", "before_commit", "has_keepers", "keeping"},
    "schemas": {"Text", "email_key"},
    "settings": {"Settings", "SettingsError"},
    "signing": {"Signer", "sign_with", "signer_of"},
    "tickets": {"PARAMETER", "TicketError", "bearer", "is_reading", "issue", "reads", "take"},
}


@pytest.mark.parametrize("module", MODULES)
def test_the_names_that_a_module_defines(module: str) -> None:
    defined = set()
    for node in ast.parse(Path(stanchion.__file__).with_name(f"{module}.py").read_text()).body:
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                defined.add(name)
            case ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)):
                defined.add(name)
    assert {name for name in defined if not name.startswith("_")} == MODULES[module]


@pytest.mark.parametrize("module", NAMES)
def test_the_names_and_no_others(module: str) -> None:
    loaded = importlib.import_module(module)
    assert set(loaded.__all__) == NAMES[module]
    assert all(getattr(loaded, name) is not None for name in loaded.__all__)
    assert NAMES[module] <= set(dir(loaded))


def test_a_name_that_is_not_there() -> None:
    with pytest.raises(AttributeError, match="module 'stanchion' has no attribute 'nothing'"):
        stanchion.nothing  # noqa: B018


def loaded_by(statement: str) -> set[str]:
    """Return the modules that a new interpreter has after the statement."""
    code = f"{statement}\nimport sys\nprint(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


@pytest.mark.slow
def test_the_import_costs_nothing() -> None:
    heavy = {"fastapi", "sqlalchemy", "sqlmodel", "pydantic", "alembic", "structlog"}
    assert not heavy & loaded_by("import stanchion")
    assert not heavy & loaded_by("import stanchion.secret, stanchion.caller; from stanchion import Caller")


@pytest.mark.slow
def test_a_part_loads_no_other() -> None:
    assert "sqlalchemy" not in loaded_by("import stanchion.errors")
    assert "stanchion.security" not in loaded_by("import stanchion.database")
    assert not {"alembic", "pytest"} & loaded_by("import stanchion; stanchion.install")
