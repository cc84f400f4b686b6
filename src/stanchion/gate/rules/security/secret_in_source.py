"""
# S03: a secret is in the source

## What it does
Looks through the source, and through what git tracks beside it, for secrets of a certain form: private
keys, AWS keys, JSON Web Tokens, tokens of GitHub, Slack, Stripe and SendGrid, and URLs with a password. In
the code it also looks for a random value under a secret's name, and in a `.env` that git tracks for any
value under one. Placeholders, tests and examples are left out. No secret is ever shown whole.

## Why it is bad
Whoever can read the repository, a backup of it or an image made of it, has the secret; taking it out again
leaves it in git's history.

## Example
```python
SECRET_KEY = "09d25e094faa6ca2556c818166b7a956..."
```

## Use instead
```python
class Settings(BaseSettings):
    SECRET_KEY: SecretStr
```

The value belongs in the environment, or in a `.env` that git ignores. One that was committed must be
replaced: it is known.
"""

import ast
import re
from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING

from stanchion.gate.model import Finding, Kind, Line, NotChecked, Severity, Verdict, rule
from stanchion.gate.names import last
from stanchion.gate.source import Module
from stanchion.gate.subject import Subject

if TYPE_CHECKING:
    from detect_secrets.plugins.base import BasePlugin

_NAME = re.compile(
    r"(^|_)((api|access|auth|private|secret|signing|encryption|service|account|jwt|session)_?key|secret|"
    r"token|password|passwd|pwd|pepper)$",
    re.IGNORECASE,
)
_NO_NAME = re.compile(
    r"dummy|example|fake|hash|invalid|mock|placeholder|public|sample|test|wrong", re.IGNORECASE
)
_PLACEHOLDER = re.compile(
    r"\.\.\.|[<>{}$%*…]|^-|change|dummy|example|fake|here|insert|invalid|placeholder|redacted|replace|sample|"
    r"test|todo|xxx|your|^(admin|guest|none|null|pass|passwd|password|postgres|root|secret|token|user)$",
    re.IGNORECASE,
)
_WORDS = re.compile(r"[a-z]+([-_.: ]?[a-z]+)*|[A-Z]+([-_.: ]?[A-Z]+)*|([A-Z][a-z]*[-_.: ]?)+")
_REFERENCE = re.compile(r"^(/|\./|~/|[a-z]+://|arn:|projects/|x-)", re.IGNORECASE)
_URL = re.compile(
    r"\b[a-z][a-z0-9+]*://(?P<user>[^\s:/@'\"]*):(?P<password>[^\s@/'\"]+)@(?P<host>[^\s/'\"?#,:)]+)",
    re.IGNORECASE,
)
_PRIVATE_KEY = re.compile(r"-----BEGIN [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----")
_ALLOWED = re.compile(r"pragma: *allowlist|# *nosec\b")
_ENV = re.compile(r"(^|/)[\w-]*\.env(\.[\w.-]+)?$")
_ENV_SAMPLE = re.compile(r"default|dist|example|sample|schema|template|test", re.IGNORECASE)
_ENV_LINE = re.compile(r"\s*(?:export\s+)?([A-Za-z_]\w*)\s*=\s*(.*?)\s*$")
_ASIDE = re.compile(r"(^|/)(docs?|examples?|fixtures?|samples?|tests?)/|lock\b", re.IGNORECASE)
_TEXTS = (".cfg", ".conf", ".ini", ".json", ".key", ".pem", ".sh", ".toml", ".yaml", ".yml")
_LARGEST = 512 * 1024
_ADVICE = "Replace the secret, for it is known, and read the new one from the environment."


@rule(
    "S03",
    "No secret is in the source",
    severity=Severity.critical,
    kind=Kind.static,
    line=Line.secrets,
    also=(Line.environment,),
)
def secret_in_source(subject: Subject) -> Iterator[Finding]:
    """Find what looks like a secret, or has the form of one."""
    detectors = _detectors()
    for module in subject.code:
        if _ASIDE.search(module.path):
            continue
        certain = list(_certain(module, detectors))
        yield from certain
        known = {finding.line for finding in certain}
        yield from (finding for finding in _named(module) if finding.line not in known)
    for name in sorted(subject.files.tracked or ()):
        if _ENV.search(name) and not _ENV_SAMPLE.search(name):
            yield from _tracked(Module(name, subject.files.read(name) or ""))
        elif name.endswith(_TEXTS) and not _ASIDE.search(name):
            text = subject.files.read(name) or ""
            if len(text) <= _LARGEST:
                yield from _certain(Module(name, text), detectors)


def _detectors() -> "tuple[BasePlugin, ...]":
    try:
        from detect_secrets.plugins.aws import AWSKeyDetector
        from detect_secrets.plugins.github_token import GitHubTokenDetector
        from detect_secrets.plugins.jwt import JwtTokenDetector
        from detect_secrets.plugins.sendgrid import SendGridDetector
        from detect_secrets.plugins.slack import SlackDetector
        from detect_secrets.plugins.stripe import StripeDetector
    except ImportError as exc:
        raise NotChecked(f"{exc.name} is not installed: pip install 'stanchion[check]'") from exc
    return (
        AWSKeyDetector(),
        GitHubTokenDetector(),
        JwtTokenDetector(),
        SendGridDetector(),
        SlackDetector(),
        StripeDetector(),
    )


def _certain(module: Module, detectors: "tuple[BasePlugin, ...]") -> Iterator[Finding]:
    """Find the secrets whose form alone tells."""
    found = partial(_finding, module, Verdict.proven)
    documentation = _docstrings(module) if module.path.endswith(".py") else frozenset()
    for number, line in enumerate(module.lines, 1):
        if _ALLOWED.search(line):
            continue
        if _PRIVATE_KEY.search(line) and _has_body(module, number):
            yield found(number, "A private key is in the source.", "-----BEGIN … PRIVATE KEY-----")
            continue
        if number in documentation or len(line) > 10_000:
            continue
        for url in _URL.finditer(line):
            if _is_real(url):
                scheme = url[0].partition(":")[0]
                shown = f"{scheme}://{url['user']}:{masked(url['password'])}@{url['host']}"
                yield found(number, "A URL with its password is in the source.", shown)
        for detector in detectors:
            for secret in detector.analyze_string(line):
                if not _PLACEHOLDER.search(secret) and "example" not in line.lower():
                    message = f"A secret is in the source: {detector.secret_type}."
                    yield found(number, message, masked(secret))
                    break


def _has_body(module: Module, number: int) -> bool:
    """Tell whether a key follows its first line: 40 of its characters, on that line or on the next."""
    following = "".join(module.lines[number - 1 : number + 6])
    rest = re.split(r"PRIVATE KEY(?: BLOCK)?-----", following, maxsplit=1)[-1].partition("-----END")[0]
    return len(re.sub(r"\\n|[^A-Za-z0-9+/=]", "", rest)) >= 40 and not re.search(r"\.\.\.|…|your", rest)


def _is_real(url: "re.Match[str]") -> bool:
    """Tell whether it is somebody's password, and not documentation's, or the usual one of a laptop."""
    user, password, host = url["user"], url["password"], url["host"].lower()
    if any(mark in url[0] for mark in "{}$<>%") and not re.search(r"%[0-9A-Fa-f]{2}", password):
        return False
    local = "." not in host or host.startswith("127.") or host.endswith((".local", ".localhost", ".internal"))
    usual = bool(_PLACEHOLDER.search(password)) or password == user or len(password) < 4
    return not usual and not host.startswith("example.") and not (local and _is_words(password))


def _named(module: Module) -> Iterator[Finding]:
    """Find the random values under a secret's name."""
    seen = set()
    for name, value in _pairs(module):
        text = value.value
        if not isinstance(text, str) or not _is_secret_name(name) or not _is_random(text):
            continue
        if value.lineno in seen or _ALLOWED.search(module.line(value.lineno)):
            continue
        seen.add(value.lineno)
        message = f"{name} has its value in the source."
        yield _finding(module, Verdict.suspected, value.lineno, message, f'{name} = "{masked(text)}"')


def _pairs(module: Module) -> Iterator[tuple[str, ast.Constant]]:
    """Give each name with the string that is bound to it."""
    for node in module.walk():
        if isinstance(node, ast.Assign):
            for target in node.targets:
                yield from _strings(last(target), node.value)
        elif isinstance(node, ast.AnnAssign) and node.value is not None:
            yield from _strings(last(node.target), node.value)
        elif isinstance(node, ast.Call):
            named = len(node.args) == 2 and last(node.func) in ("getenv", "get", "setdefault")
            if named and isinstance(node.args[0], ast.Constant):
                yield from _strings(str(node.args[0].value), node.args[1])
            for keyword in node.keywords:
                yield from _strings(keyword.arg or "", keyword.value)


def _strings(name: str, value: ast.expr) -> Iterator[tuple[str, ast.Constant]]:
    """Give the name with the string in `"..."`, `SecretStr("...")`, `Field("...")` and `x or "..."`."""
    if isinstance(value, ast.Constant):
        yield name, value
    elif isinstance(value, ast.BoolOp):
        yield from _strings(name, value.values[-1])
    elif isinstance(value, ast.Call) and last(value.func) in ("Field", "SecretStr", "SecretBytes"):
        given = [*value.args[:1], *(one.value for one in value.keywords if one.arg == "default")]
        for one in given:
            yield from _strings(name, one)


def _tracked(module: Module) -> Iterator[Finding]:
    """Find the secrets in a .env that git tracks."""
    for number, line in enumerate(module.lines, 1):
        match = _ENV_LINE.match(line)
        if match is None:
            continue
        name, value = match[1], match[2].split(" #")[0].strip().strip("'\"")
        url = _URL.search(value)
        if url is not None and _is_real(url):
            value = url["password"]
        elif not _is_secret_name(name) or _PLACEHOLDER.search(value) or len(value) < 4:
            continue
        message = f"Git tracks {module.path}, and {name} in it has a value."
        yield _finding(module, Verdict.proven, number, message, f"{name}={masked(value)}")


def _is_secret_name(name: str) -> bool:
    return bool(_NAME.search(name)) and not _NO_NAME.search(name)


def _is_words(text: str) -> bool:
    return bool(_WORDS.fullmatch(text))


def _is_random(text: str) -> bool:
    """Tell whether it is no placeholder, no words and no reference to something else."""
    from detect_secrets.filters.heuristic import is_sequential_string
    from detect_secrets.plugins.high_entropy_strings import Base64HighEntropyString

    if len(text) < 8 or re.search(r"\s", text) or is_sequential_string(text):
        return False
    if _PLACEHOLDER.search(text) or _is_words(text) or _REFERENCE.search(text):
        return False
    if not re.search(r"[0-9]", text) or not re.search(r"[A-Za-z]", text):
        return False
    return Base64HighEntropyString().calculate_shannon_entropy(text) >= (3.0 if len(text) >= 16 else 2.5)


def _docstrings(module: Module) -> frozenset[int]:
    """Return the lines that are documentation: strings that nothing is done with."""
    return frozenset(
        line
        for node in module.walk()
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        for line in range(node.lineno, (node.end_lineno or node.lineno) + 1)
    )


def _finding(module: Module, verdict: Verdict, line: int, message: str, evidence: str) -> Finding:
    return Finding(
        message=message, verdict=verdict, file=module.path, line=line, evidence=evidence, advice=_ADVICE
    )


def masked(secret: str) -> str:
    """Return the first 3 characters of a secret, or fewer of a short one."""
    return f"{secret[: min(3, len(secret) // 3)]}…"
