"""
# L05: `.env` is not tracked

## What it does
Asks git whether a `.env` is among the tracked files.

## Why it is bad
What git has once it has for good, on every clone. A `.env` that holds nothing today gets a secret
tomorrow.

## Example
```python
git add .env
```

## Use instead
```python
echo .env >> .gitignore
git rm --cached .env
```
"""

from collections.abc import Iterator

from stanchion.gate.model import Finding, Kind, Line, NotChecked, Severity, Verdict, rule
from stanchion.gate.subject import Subject


@rule(
    "L05",
    "`.env` is not tracked",
    severity=Severity.major,
    kind=Kind.static,
    line=Line.env_untracked,
)
def env_untracked(subject: Subject) -> Iterator[Finding]:
    """Look among the tracked files, at any depth; examples are meant to be tracked."""
    tracked = subject.files.tracked
    if tracked is None:
        raise NotChecked("the project is in no git repository, or there is no git", applies=False)
    for path in sorted(tracked):
        if path.rpartition("/")[2] in (".env", ".env.local", ".env.production"):
            yield Finding(
                message=f"{path} is tracked by git.",
                verdict=Verdict.proven,
                file=path,
                line=1,
                evidence=f"git ls-files: {path}",
                advice="Take it out with `git rm --cached`, ignore it, and change each secret in it.",
            )
