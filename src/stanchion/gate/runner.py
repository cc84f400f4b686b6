"""Runs the rules over a project, and makes the report."""

import os
import time
from collections.abc import Callable, Iterable
from typing import Any

from pydantic import TypeAdapter

from stanchion.gate.model import NotChecked, Report, Result, Rule
from stanchion.gate.process import Agent, AgentError
from stanchion.gate.project import Project
from stanchion.gate.rules import all_rules
from stanchion.gate.subject import Loaded, Subject

_LOADED = TypeAdapter(Loaded)

Progress = Callable[[Rule], None]


def check(
    project: Project, *, rules: Iterable[Rule] | None = None, progress: Progress | None = None
) -> Report:
    """Check a project on a copy of it, and return the report. Nothing of the project is written to."""
    started = time.monotonic()
    with project.copy() as copy, _agent(copy) as agent:
        subject = Subject(source=project.source, loaded=load(agent, copy))
        results = [_result(one, subject, progress) for one in (all_rules() if rules is None else rules)]
    return Report(str(project.root), tuple(results), time.monotonic() - started)


def load(agent: Agent, copy: Project) -> Loaded:
    """Import the app in the agent, and return what is known of it, or why it is not."""
    try:
        agent.ask("guard", root=str(copy.root), allowed=[])
        found: dict[str, Any] = agent.ask("load", entry=copy.entry, app_dir=str(copy.app_dir))
    except AgentError as exc:
        return Loaded(error=str(exc))
    return _LOADED.validate_python(found)


def _agent(copy: Project) -> Agent:
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1", "PYTHONUNBUFFERED": "1"}
    environment.pop("PYTHONPATH", None)
    return Agent(copy.python, directory=copy.root, environment=environment)


def _result(one: Rule, subject: Subject, progress: Progress | None) -> Result:
    if progress is not None:
        progress(one)
    try:
        return Result(one, tuple(one.check(subject)))
    except NotChecked as exc:
        return Result(one, reason=exc.reason, applies=exc.applies)
    except Exception as exc:  # a rule's own fault is no verdict on the backend
        return Result(one, reason=f"the rule failed ({type(exc).__name__}: {exc}): please report it")
