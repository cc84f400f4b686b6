"""
# S06: a wrong key is refused

## What it does
Asks every operation whose document declares security with a key that nobody made, and with a real one of
which the last character is another. Where the code asks for a key itself (`auto_error=False`), what opens is
proven only if it is closed to whoever has no key at all: else it may be open to everybody.

## Why it is bad
A check that looks only at whether there is a key, or at how it begins, is none.

## Example
```python
if not x_api_key.startswith("st_"):
    raise HTTPException(401)
```

## Use instead
```python
key = await find_by_digest(sha256(x_api_key.encode()).hexdigest())
if key is None or key.revoked_at or key.expires_at < now():
    raise HTTPException(401)
```
"""

import string
from collections.abc import Iterator

from stanchion.gate.doors import let_in
from stanchion.gate.model import Finding, Kind, Line, NotChecked, Severity, rule
from stanchion.gate.sign_in import nonsense
from stanchion.gate.subject import Subject

_LOWER_HALF = frozenset(f"{string.ascii_uppercase}abcdef")
"""The first 32 digits of base64."""


@rule(
    "S06",
    "A wrong key is refused",
    severity=Severity.critical,
    kind=Kind.live,
    line=Line.keys,
)
def wrong_key_refused(subject: Subject) -> Iterator[Finding]:
    """Ask with what is no key, and with what is almost one."""
    who = subject.running.who
    if who is None:
        raise NotChecked("no operation declares security", applies=False)
    almost = {name: f"{value[:-1]}{_other(value[-1])}" for name, value in who.headers.items()}
    found = list(let_in(subject, nonsense(who.headers), "with a key that nobody made"))
    yield from found or let_in(subject, almost, "with a key of which the last character is wrong")


def _other(last: str) -> str:
    """Return another character: one whose first bit differs, for the last digit of a JWT has idle bits."""
    return "g" if last in _LOWER_HALF else "A"
