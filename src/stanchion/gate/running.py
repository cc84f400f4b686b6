"""The app as it runs: who may ask it, and what the journey through its resources met."""

import secrets
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any

from stanchion.gate.forms import encoded, example_of, form_of
from stanchion.gate.journey import Journey, Resource
from stanchion.gate.live import TOO_MANY, Exchange, Live
from stanchion.gate.model import NotChecked
from stanchion.gate.sign_in import OTHERS_KEY, Identity, SignIn, is_usually_limited
from stanchion.gate.subject import Document, Operation
from stanchion.gate.values import Values

_RUNS = 10**7
"""Numbers with which a run may begin."""
_BRIEF = 1.0
"""Seconds for which a stream is read, where only its beginning matters."""


class Running:
    """What live rules ask. Each part is done when it is first asked for, and once."""

    def __init__(
        self,
        document: Document,
        live: Live,
        *,
        environment: Mapping[str, str],
        key: str = "",
        printed: Callable[[], str] = str,
    ) -> None:
        self.document, self.live = document, live
        # What an earlier run has left in the database has other numbers.
        self.values = Values(document, first=1 + secrets.randbelow(_RUNS))
        self.printed = printed
        """What the app and its server have printed until now."""
        self.environment = environment
        """The variables that the app was given, and those of its `.env`."""
        self._key = key
        self._sign_in = SignIn(document, live, self.values)
        self._looked_at, self._rests_on_journey = 0, False

    @property
    def users(self) -> tuple[Identity, Identity]:
        """Return two users of the app. Raises NotChecked where none can be made."""
        if self._users is None:
            raise NotChecked("two users could not be made: no sign-up and sign-in was found in the document")
        return self._users

    @property
    def has_users(self) -> bool:
        """Tell whether two users were made by now: some rule has asked for them."""
        return bool(vars(self).get("_users"))

    @cached_property
    def _users(self) -> tuple[Identity, Identity] | None:
        first = self._sign_in.new_user("the first user")
        second = first and self._sign_in.new_user("the second user", OTHERS_KEY)
        return (first, second) if first and second else None

    @property
    def who(self) -> Identity | None:
        """Return whoever may ask; None where the app wants nobody known. Raises NotChecked without a key."""
        if isinstance(self._who, str):
            raise NotChecked(self._who)
        return self._who

    @cached_property
    def _who(self) -> Identity | str | None:
        """Return whoever may ask, or why nobody may: it is tried once, not for each rule."""
        if not self._sign_in.protected:
            return None
        if self._key:
            given = self._sign_in.with_secret(self._key, "the key that was given")
            return given or "the key that was given is not taken by any protected operation"
        identity = self._users[0] if self._users else self._sign_in.from_environment(self.environment)
        return identity or "no key was found, and no account could be made: give one with --key"

    @property
    def entry(self) -> tuple[str, str]:
        """Return where the key is from with which the app was asked, and why a given one was no good."""
        who = vars(self).get("_who")
        if isinstance(who, str):
            return "", "does not take the key that was given" if self._key else ""
        return (who.origin, "") if who else ("", "")

    @property
    def journey(self) -> Journey:
        """Return the journey, made. Raises NotChecked where there is no way in."""
        journey = self._journey
        self._rests_on_journey = True
        return journey

    @cached_property
    def _journey(self) -> Journey:
        journey = Journey(self.document, self.live, self.values, self.who)
        journey.run()
        return journey

    def made(self) -> list[Resource]:
        """Return the resources of which one was made. Raises NotChecked where there is none."""
        resources = self.journey.resources
        if not resources:
            raise NotChecked("no resource was found: a POST beside a path like /things/{id}", applies=False)
        made = [one for one in resources if not one.why]
        if not made:
            raise NotChecked(f"nothing could be made: {resources[0].path}: {resources[0].why}")
        return made

    def met_limit(self) -> bool:
        """Tell whether requests were limited (429) since this was last asked, those of the journey included.

        Nobody is surprised by a limit on signing in and up.
        """
        met = self.live.asked[self._looked_at :]
        for resource in self._journey.resources if self._rests_on_journey else ():
            met += [(one.method, one.path, one.status) for one in resource.steps.values()]
        self._looked_at, self._rests_on_journey = len(self.live.asked), False
        return any(
            status == TOO_MANY and not is_usually_limited(method, path) for method, path, status in met
        )

    def sign_in(self, identity: Identity, password: str) -> Exchange | None:
        """Sign in as somebody of ours with another password; None where they did not sign in by one."""
        if identity.sign_in is None:
            return None
        known = identity.credentials.items()
        account = {one: password if "password" in one else value for one, value in known}
        return self._sign_in.attempt(identity.sign_in, identity.login, account)

    def ask(
        self, operation: Operation, path: str = "", *, json_body: Any = None, read_for: float = 15.0
    ) -> Exchange:
        """Send an operation as whoever may ask."""
        headers = dict(self.who.headers) if self.who else {}
        path = path or operation.path
        return self.live.send(operation.method, path, json_body=json_body, headers=headers, read_for=read_for)

    def try_out(self, operation: Operation, path: str = "") -> Exchange:
        """Send an operation with all that it requires, in the form that it takes, as whoever may ask."""
        path = path or self.journey.path(operation)
        form, example = form_of(self.document, operation), example_of(self.document, operation)
        body = self.journey.body(operation)
        if body is not None or (form is None and example is None):
            return self.ask(operation, path, json_body=body, read_for=_BRIEF)
        content, media_type = encoded(*form, self.values) if form else example or (b"", "")
        headers = {**(self.who.headers if self.who else {}), "Content-Type": media_type}
        return self.live.send(operation.method, path, content=content, headers=headers, read_for=_BRIEF)
