"""The app as it runs: who may ask it, and what the journey through its resources met."""

from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any

from stanchion.gate.journey import Journey, Resource
from stanchion.gate.live import Exchange, Live
from stanchion.gate.model import NotChecked
from stanchion.gate.sign_in import Identity, SignIn
from stanchion.gate.subject import Document, Operation
from stanchion.gate.values import Values


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
        self.values = Values(document)
        self.printed = printed
        """What the app and its server have printed until now."""
        self._environment, self._key = environment, key
        self._sign_in = SignIn(document, live, self.values)

    @cached_property
    def users(self) -> tuple[Identity, Identity]:
        """Return two users of the app. Raises NotChecked where none can be made."""
        first, second = self._sign_in.new_user("the first user"), self._sign_in.new_user("the second user")
        if first is None or second is None:
            raise NotChecked("two users could not be made: no sign-up and sign-in was found in the document")
        return first, second

    @cached_property
    def who(self) -> Identity | None:
        """Return whoever may ask; None where the app wants nobody known. Raises NotChecked without a key."""
        if not self._sign_in.protected:
            return None
        if self._key:
            identity = self._sign_in.with_secret(self._key, "the key that was given")
            if identity is None:
                raise NotChecked("the key that was given is not taken by any protected operation")
            return identity
        try:
            return self.users[0]
        except NotChecked:
            identity = self._sign_in.from_environment(self._environment)
        if identity is None:
            raise NotChecked("no key was found, and no account could be made: give one with --key")
        return identity

    @cached_property
    def journey(self) -> Journey:
        """Return the journey, made. Raises NotChecked where there is no way in."""
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

    def ask(
        self, operation: Operation, path: str = "", *, json_body: Any = None, read_for: float = 15.0
    ) -> Exchange:
        """Send an operation as whoever may ask."""
        headers = dict(self.who.headers) if self.who else {}
        path = path or operation.path
        return self.live.send(operation.method, path, json_body=json_body, headers=headers, read_for=read_for)
