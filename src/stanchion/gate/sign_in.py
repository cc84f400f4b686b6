"""Signing in by itself: the keys that were given, those the project keeps, or accounts of its own."""

import re
from base64 import b64encode
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from stanchion.gate.live import Exchange, Live
from stanchion.gate.subject import Document, Operation
from stanchion.gate.values import Values

OWN_KEY, OTHERS_KEY = "$API_KEY", "$OTHER_API_KEY"
"""What the curl lines name the key of whoever asks, and that of a second user."""
_SIGN_UP = re.compile(r"(users?|accounts?|register|registration|sign-?_?up)/?$", re.IGNORECASE)
_SIGN_IN = re.compile(
    r"(keys?|tokens?|login|log-in|sign-?_?in|sessions?|auth)(/jwt)?(/login)?/?$", re.IGNORECASE
)
_GIVEN = ("access_token", "token", "api_key", "key", "jwt", "id_token")
_KEY_NAME = re.compile(r"(API|SERVICE|ADMIN|MASTER|ACCESS)?_?(KEY|TOKEN)S?$")


@dataclass(frozen=True)
class Identity:
    """Somebody who may ask: the headers that say so, and where they are from."""

    name: str
    headers: Mapping[str, str]
    origin: str
    credentials: Mapping[str, str] = field(default_factory=dict)
    sign_up: Operation | None = None
    sign_in: Operation | None = None
    login: str = ""
    """What is given beside the password."""


def schemes(document: Document) -> dict[str, Mapping[str, Any]]:
    """Return the security schemes of the document that a header can carry, by name."""
    found = document.content.get("components", {}).get("securitySchemes", {})
    return {name: scheme for name, scheme in found.items() if header(scheme, "")}


def header(scheme: Mapping[str, Any], secret: str) -> dict[str, str]:
    """Return the header that carries a secret under this scheme; nothing for what is not known.

    Of HTTP Basic the secret is `user:password`.
    """
    kind = scheme.get("type")
    if kind == "apiKey" and scheme.get("in") == "header":
        return {str(scheme["name"]): secret}
    if kind == "apiKey" and scheme.get("in") == "cookie":
        return {"Cookie": f"{scheme['name']}={secret}"}
    if kind in ("oauth2", "openIdConnect") or (
        kind == "http" and scheme.get("scheme", "").lower() == "bearer"
    ):
        return {"Authorization": f"Bearer {secret}"}
    if kind == "http" and scheme.get("scheme", "").lower() == "basic":
        return {"Authorization": f"Basic {b64encode(secret.encode()).decode()}"}
    return {}


def nonsense(headers: Mapping[str, str]) -> dict[str, str]:
    """Return headers of the same form with a key that nobody made; of HTTP Basic `nonsense:nonsense`."""
    made = {}
    for name, value in headers.items():
        kind, _, rest = value.partition(" ")
        if name == "Cookie":
            made[name] = f"{value.partition('=')[0]}=nonsense"
        elif kind == "Basic":
            made[name] = f"Basic {b64encode(b'nonsense:nonsense').decode()}"
        else:
            made[name] = f"{kind} nonsense" if rest else "nonsense"
    return made


def _password(account: Mapping[str, Any]) -> str:
    return next((str(value) for one, value in account.items() if "password" in one), "")


def is_sign_in(operation: Operation) -> bool:
    """Tell whether an operation is named like one that takes an account and gives a key."""
    return operation.method == "POST" and _SIGN_IN.search(operation.path) is not None


def is_usually_limited(method: str, path: str) -> bool:
    """Tell whether it is named like a sign-in or a sign-up, where a limit on tries is in order."""
    path = path.partition("?")[0]
    return method == "POST" and (_SIGN_IN.search(path) or _SIGN_UP.search(path)) is not None


class SignIn:
    """Finds out who may ask. `protected` are the operations that declare a scheme."""

    def __init__(self, document: Document, live: Live, values: Values) -> None:
        self._document, self._live, self._values = document, live, values
        self.protected = [one for one in document.operations if any(document.security(one))]

    def with_secret(self, secret: str, origin: str) -> Identity | None:
        """Return the identity of a key, if some scheme takes it where it takes no nonsense."""
        for scheme in schemes(self._document).values():
            headers = header(scheme, secret)
            if self._is_let_in(headers):
                self._hide(secret, headers, OWN_KEY)
                return Identity("the given key", headers, origin)
        return None

    def from_environment(self, environment: Mapping[str, str]) -> Identity | None:
        """Try the variables that are named like a key."""
        for name, value in environment.items():
            if _KEY_NAME.search(name) and len(value) >= 8:
                identity = self.with_secret(value, f"{name} of the environment")
                if identity is not None:
                    return identity
        return None

    def new_user(self, name: str, shown: str = OWN_KEY) -> Identity | None:
        """Sign up and in, where the document has operations for it; None where it has not.

        `shown` is the name by which the curl lines have the user's key.
        """
        for sign_up in self._like(_SIGN_UP):
            body = self._body(sign_up)
            if not isinstance(body, dict) or not any("password" in field for field in body):
                continue
            made = self._live.send("POST", sign_up.path, json_body=body)
            if made.status not in (200, 201):
                continue
            logins = [str(body[one]) for one in ("username", "email", "login") if body.get(one)]
            for sign_in in self._like(_SIGN_IN):
                for login in logins or [""]:
                    headers = self._signed_in(sign_in, login, body, shown)
                    if headers:
                        origin = f"{sign_up.name}, then {sign_in.name}"
                        return Identity(name, headers, origin, body, sign_up, sign_in, login)
            for login in logins:
                if headers := self._let_in(f"{login}:{_password(body)}", shown, "basic"):
                    return Identity(name, headers, f"{sign_up.name}, and HTTP Basic", body)
        return None

    def attempt(self, operation: Operation, login: str, account: Mapping[str, Any]) -> Exchange | None:
        """Sign in with this account; None where the operation wants something else."""
        if "application/x-www-form-urlencoded" in self._media(operation):
            fields = {"grant_type": "password", "username": login, "password": _password(account)}
            kind = {"Content-Type": "application/x-www-form-urlencoded"}
            return self._live.send("POST", operation.path, content=urlencode(fields).encode(), headers=kind)
        body = self._body(operation)
        if not isinstance(body, dict):
            return None
        known = {one: account[one] for one in body if one in account}
        if not any("password" in one for one in known):
            return None
        return self._live.send("POST", operation.path, json_body={**body, **known})

    def _signed_in(
        self, operation: Operation, login: str, account: Mapping[str, Any], shown: str
    ) -> dict[str, str]:
        answer = self.attempt(operation, login, account)
        if answer is None:
            return {}
        given = answer.json if isinstance(answer.json, dict) else {}
        secret = next((given[one] for one in _GIVEN if isinstance(given.get(one), str)), "")
        if answer.status not in (200, 201) or not secret:
            return {}
        return self._let_in(secret, shown)

    def _let_in(self, secret: str, shown: str, kind: str = "") -> dict[str, str]:
        """Return the headers with which some scheme, or some of this kind, takes the secret."""
        for scheme in schemes(self._document).values():
            headers = header(scheme, secret)
            if kind in ("", str(scheme.get("scheme", "")).lower()) and self._is_let_in(headers):
                self._hide(secret, headers, shown)
                return headers
        return {}

    def _hide(self, secret: str, headers: Mapping[str, str], shown: str) -> None:
        basic = [value[6:] for value in headers.values() if value.startswith("Basic ")]
        self._live.secrets |= dict.fromkeys((secret, *basic), shown)

    def _is_let_in(self, headers: Mapping[str, str]) -> bool:
        """Tell whether an operation that refuses others takes this key."""
        for operation in self._askable():
            # One that takes nonsense too is a finding of its own; it refuses at least nothing at all.
            answers = [self._ask(operation, other) for other in (nonsense(headers), {})]
            if any(refused.status in (401, 403) for refused in answers):
                let_in = self._ask(operation, headers)
                if let_in.status not in (0, 401, 403):
                    return True
        return False

    def _ask(self, operation: Operation, headers: Mapping[str, str]) -> Exchange:
        body = self._body(operation) if operation.method == "POST" else None
        return self._live.send(operation.method, operation.path, json_body=body, headers=headers)

    def _askable(self) -> list[Operation]:
        """Return what can be asked without an id: readings, or else creations."""
        askable = [one for one in self.protected if "{" not in one.path]
        readings = [one for one in askable if one.method == "GET"]
        return readings or [one for one in askable if one.method == "POST"]

    def _like(self, pattern: re.Pattern[str]) -> Iterator[Operation]:
        for operation in self._document.operations:
            open_to_all = not any(self._document.security(operation))
            if operation.method == "POST" and open_to_all and pattern.search(operation.path):
                yield operation

    def _media(self, operation: Operation) -> Mapping[str, Any]:
        content: Mapping[str, Any] = self._document.resolve(operation.spec.get("requestBody", {})).get(
            "content", {}
        )
        return content

    def _body(self, operation: Operation) -> Any:
        schema = self._media(operation).get("application/json", {}).get("schema")
        return None if schema is None else self._values.make(schema)
