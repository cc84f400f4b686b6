"""Security: passwords, API keys, the limit on sign-ins, and the dependency that says who is asking."""

from stanchion.caller import Caller
from stanchion.secret import new_key
from stanchion.security.cache import forget
from stanchion.security.guard import KeyGuard
from stanchion.security.keys import ApiKey, create, find, list_all, list_keys, revoke, revoke_own
from stanchion.security.limits import SignInLimit
from stanchion.security.passwords import Password, hash_password, verify_password

__all__ = [
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
]
