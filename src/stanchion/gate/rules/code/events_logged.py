"""
# C08: key events are logged

## What it does
Asks a protected operation with a wrong key, signs in with a wrong password, and makes an account, and looks
at what the app logs and prints while it answers. A row that is written on a refusal, or to a table of
events, counts too. Uvicorn's own access log does not: it knows an address and a status, not what happened.

## Why it is bad
Of somebody who tries keys or passwords one after the other nothing is seen, neither while it goes on nor
afterwards. Whose account was made when, and by whom, is not known either.

## Example
```python
if user is None or not verify(password, user.password_hash):
    raise HTTPException(401, "Wrong email or password")
```

## Use instead
```python
logger = logging.getLogger(__name__)

if user is None or not verify(password, user.password_hash):
    logger.warning("sign-in failed: user %s", user.id if user else "unknown")
    raise HTTPException(401, "Wrong email or password")
```
"""

import re
import time
from collections.abc import Iterator

from stanchion.gate.evidence import seen
from stanchion.gate.live import Exchange
from stanchion.gate.model import Finding, Kind, Line, NotChecked, Severity, Verdict, rule
from stanchion.gate.sign_in import header, schemes
from stanchion.gate.subject import Operation, Subject

_PATIENCE = 0.5
"""Seconds until what is printed is there."""
_LEVELS = ("INFO", "WARNING", "ERROR", "CRITICAL")
_WRITES = re.compile(r"\s*(INSERT|UPDATE)\b", re.IGNORECASE)
_EVENTS = re.compile(r"INSERT\s+INTO\s+\S*(log|audit|event|histor)", re.IGNORECASE)
_ELSEWHERE = re.compile(
    r"FileHandler|SysLogHandler|HTTPHandler|QueueHandler|SocketHandler|fileConfig|propagate|logger\.add\(|"
    r"\b(sentry_sdk|opentelemetry|logfire|ddtrace|newrelic|elasticapm|syslog|watchtower|google\.cloud)\b"
)
_CALLS = re.compile(r"\blog(ger|ging)?\.(info|log|debug)\(", re.IGNORECASE)
_ADVICE = "Log it with logging.getLogger(__name__), with who and what, and never with the secret itself."

Event = tuple[Operation, str, Exchange, str]
"""What was asked, what happened, and what the app printed until then."""


@rule(
    "C08",
    "Key events are logged",
    severity=Severity.minor,
    kind=Kind.instrumented,
    line=Line.events,
)
def events_logged(subject: Subject) -> Iterator[Finding]:
    """Let each kind of event happen once, and look what the app says of it."""
    protected = [one for one in subject.document.operations if any(subject.document.security(one))]
    if not protected:
        raise NotChecked("no operation declares security", applies=False)
    met = False
    for operation, what, exchange, before in _events(subject, protected):
        met = True
        if not _is_written_down(subject, exchange, before):
            yield _finding(subject, operation, what, exchange)
    if not met:
        raise NotChecked("no wrong key was refused, and no account could be made")


def _events(subject: Subject, protected: list[Operation]) -> Iterator[Event]:
    """Make the events happen, one after the other, as they are looked at."""
    running = subject.running
    printed = running.printed()
    for operation, exchange in _with_wrong_key(subject, protected):
        if exchange.status in (401, 403):
            yield operation, "a wrong key is refused", exchange, printed
            break
        printed = running.printed()
    try:
        _, user = running.users
    except NotChecked:
        return
    if user.sign_in is not None:
        printed = running.printed()
        failed = running.sign_in(user, "wrong-horse-battery-8")
        if failed is not None and 400 <= failed.status < 500:
            yield user.sign_in, "a sign-in with a wrong password is refused", failed, printed
    if user.sign_up is not None:
        printed = running.printed()
        body = running.journey.body(user.sign_up)
        made = running.live.send("POST", user.sign_up.path, json_body=body)
        if made.status in (200, 201):
            yield user.sign_up, "an account is made", made, printed


def _with_wrong_key(subject: Subject, protected: list[Operation]) -> Iterator[tuple[Operation, Exchange]]:
    own = schemes(subject.document)
    readers = sorted((one for one in protected if one.method == "GET"), key=lambda one: "{" in one.path)
    for operation in readers[:3]:
        wanted = {name for one in subject.document.security(operation) for name in one}
        headers: dict[str, str] = {}
        for name in sorted(wanted & set(own)):
            headers |= header(own[name], "nonsense:nonsense")
        if headers:
            path = re.sub(r"\{[^}]*\}", "1", operation.path)
            yield operation, subject.running.live.send("GET", path, headers=headers, read_for=1)


def _is_written_down(subject: Subject, exchange: Exchange, before: str) -> bool:
    (inside,) = subject.running.live.inside(exchange)
    if any(one["level"] in _LEVELS and not _is_echo(one["logger"]) for one in inside.get("logs", ())):
        return True
    marks = _WRITES if exchange.status >= 400 else _EVENTS
    if any(marks.match(one["sql"]) for one in inside.get("statements", ())):
        return True
    until = time.monotonic() + _PATIENCE
    while True:
        new = subject.running.printed()[len(before) :].splitlines()
        if any(line.strip() and not _is_echo(line) for line in new):
            return True
        if time.monotonic() > until:
            return False
        time.sleep(0.02)


def _is_echo(text: str) -> bool:
    """Tell whether it is SQLAlchemy's, which knows of statements alone."""
    return "sqlalchemy.engine" in text


def _finding(subject: Subject, operation: Operation, what: str, exchange: Exchange) -> Finding:
    """Return it as proven, but where the log may be somewhere else, or below the level that is shown."""
    for module in (one for one in subject.code if not one.is_aside):
        if found := _ELSEWHERE.search(module.text):
            raise NotChecked(f"the log may go where it is not looked for: {module.path} has {found[0]}")
    finding = seen(subject, operation, exchange, message=f"The app logs nothing when {what}.", advice=_ADVICE)
    if any(_CALLS.search(module.text) for module in subject.code):
        return Finding(
            message=f"The app logs nothing that is shown when {what}.",
            verdict=Verdict.suspected,
            operation=finding.operation,
            file=finding.file,
            line=finding.line,
            evidence=finding.evidence,
            curl=finding.curl,
            advice="Log it at INFO or above, and configure logging so that this is shown.",
        )
    return finding
