"""Security: passwords, API keys, the limit on sign-ins, and the dependency that says who is asking."""

from stanchion.caller import Caller
from stanchion.security.guard import KeyGuard
from stanchion.security.keys import ApiKey, create, find, list_keys, new_key, revoke
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
    "hash_password",
    "list_keys",
    "new_key",
    "revoke",
    "verify_password",
]
