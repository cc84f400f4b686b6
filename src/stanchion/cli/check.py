"""`stanchion check`: what a FastAPI backend does, proven."""

import re
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stanchion.cli.failure import Failure
from stanchion.cli.pages import pages

if TYPE_CHECKING:
    from stanchion.gate import Project, Report, Rule
    from stanchion.gate.runner import Progress

_NOT_CHECKED = 2
"""The exit status where it could not be checked; 1 says that something was found."""
_NEEDED = ("asyncpg", "detect_secrets", "httpx2", "jinja2", "openapi_spec_validator", "ruff", "schemathesis")


class Format(StrEnum):
    """How the report is written."""

    text = "text"
    json = "json"
    sarif = "sarif"
    html = "html"


class FailOn(StrEnum):
    """Which findings make the exit status 1."""

    proven = "proven"
    suspected = "suspected"
    never = "never"


def check(
    target: Annotated[
        str,
        typer.Argument(
            metavar="[APP | URL | explain]",
            help="module:attribute, found as `fastapi` does where it is not named; or where it runs.",
        ),
    ] = "",
    rule: Annotated[str, typer.Argument(metavar="[RULE]", help="With explain, the rule: S04.")] = "",
    path: Annotated[
        Path | None, typer.Option(help="The project's folder. [default: this one, for an APP]")
    ] = None,
    python: Annotated[str, typer.Option(help="The project's interpreter. [default: of its .venv]")] = "",
    key: Annotated[
        str, typer.Option(envvar="STANCHION_CHECK_KEY", help="A key that protected operations take.")
    ] = "",
    allow: Annotated[
        list[str] | None, typer.Option(metavar="HOST:PORT", help="What the app may connect to.")
    ] = None,
    env: Annotated[
        list[str] | None, typer.Option("--env", metavar="NAME=VALUE", help="A variable for the app.")
    ] = None,
    database_url: Annotated[
        str,
        typer.Option(help="PostgreSQL for a scratch database. [default: that of the app, on this machine]"),
    ] = "",
    i_own_this_target: Annotated[
        bool, typer.Option("--i-own-this-target", help="Write also to what is not this machine.")
    ] = False,
    format_: Annotated[Format, typer.Option("--format", help="How the report is written.")] = Format.text,
    output: Annotated[Path | None, typer.Option(help="The file to write it to, not the terminal.")] = None,
    fail_on: Annotated[FailOn, typer.Option(help="What makes the exit status 1.")] = FailOn.proven,
    baseline: Annotated[
        Path | None, typer.Option(help="Accept the findings of this file; made where there is none.")
    ] = None,
    against: Annotated[
        Path | None, typer.Option(help="The last release's OpenAPI document: what breaks its clients.")
    ] = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="Only what is read, and asked from outside.")
    ] = False,
) -> None:
    """Prove what a FastAPI backend does, on a copy of it: statuses, keys, leaks, stalls, queries.

    By its URL alone it is asked from outside. On this machine things are made there: start one for the check.
    It ends with 0 where nothing was found, with 1 where something was (see --fail-on), and with 2
    where the app could not be checked.

    `stanchion check explain S04` prints the page of a rule.
    """
    if target == "explain":
        _explain(rule)
        return
    if missing := [name for name in _NEEDED if find_spec(name) is None]:
        raise Failure(
            f"The gate needs more ({', '.join(missing)}): install it with its extra, "
            'best in an environment of its own: pip install "path/to/stanchion[check]"; '
            'or, in what `stanchion init` made: pip install -e ".[check]".',
            status=_NOT_CHECKED,
        )
    if rule:
        raise typer.BadParameter("a rule goes with explain alone, as in: stanchion check explain S04.")
    _refuse_what_cannot_be(allow or [], database_url, against, output)
    from stanchion.gate import Kind, Options, Project, ProjectError, Site, SiteError, all_rules
    from stanchion.gate import check as run
    from stanchion.gate.accepted import AcceptedError, without_baseline, without_ignored

    options = Options(
        key=key,
        allowed=tuple(allow or ()),
        environment=tuple(map(_variable, env or ())),
        database_url=database_url,
        owned=i_own_this_target,
        against=against,
    )
    rules = [one for one in all_rules() if not (quick and one.kind is Kind.instrumented)]
    try:
        found = (
            Site.find(target, owned=i_own_this_target, folder=path)
            if "://" in target
            else Project.find(path or Path(), entry=target, python=python)
        )
        with _ended_by_sigterm(), _progress(len(rules)) as progress:
            report = run(found, rules=rules, options=options, progress=progress)
        if found.source is not None:
            report = without_ignored(report, found.source)
        if baseline is not None:
            report = without_baseline(report, baseline)
    except (ProjectError, SiteError, AcceptedError) as exc:
        raise Failure(str(exc), status=_NOT_CHECKED) from exc
    try:
        _write(report, format_, output)
    except OSError as exc:
        raise Failure(
            f"{output} cannot be written ({exc.strerror}): name another file.", status=_NOT_CHECKED
        ) from exc
    if report.error and fail_on is not FailOn.never:
        tried = _tried(found) if isinstance(found, Project) else ""
        raise Failure(f"The app {report.error}.{tried}", status=_NOT_CHECKED)
    if _fails(report, fail_on):
        raise typer.Exit(1)


def _tried(project: "Project") -> str:
    """Say with which interpreter, why that one, and what else may be tried."""
    own = project.python == sys.executable
    why = (
        ", which runs the gate: the project has no environment in its folder, and none is active"
        if own
        else ""
    )
    return (
        f" Tried with {project.python}{why}. Name another interpreter with --python, install there what is "
        "missing, or give the app variables with --env and hosts with --allow."
    )


def _refuse_what_cannot_be(
    allow: list[str], database_url: str, against: Path | None, output: Path | None
) -> None:
    """Refuse what would only be noticed when everything has been done."""
    from stanchion.gate.agent.drivers import OPAQUE

    for one in allow:
        if one not in OPAQUE and not re.fullmatch(r".+:\d+|/.+", one):
            raise typer.BadParameter(
                f"{one!r} is no HOST:PORT, no socket's path and no driver ({', '.join(OPAQUE)}).",
                param_hint="--allow",
            )
    if database_url and not re.match(r"(postgres(ql)?|sqlite)(\+\w+)?://", database_url):
        raise typer.BadParameter("it is no URL of PostgreSQL or SQLite.", param_hint="--database-url")
    if against is not None and not against.is_file():
        raise typer.BadParameter(f"there is no file {against}.", param_hint="--against")
    if output is not None and not output.absolute().parent.is_dir():
        raise typer.BadParameter(f"there is no folder {output.parent}.", param_hint="--output")


@contextmanager
def _ended_by_sigterm() -> Iterator[None]:
    """Leave by an exception, so that copies, processes and scratch databases are cleared away."""
    before = signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _variable(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not name or not equals:
        raise typer.BadParameter(f"{text!r} is no NAME=VALUE.", param_hint="--env")
    return name, value


def _explain(wanted: str) -> None:
    from rich.console import Console
    from rich.markdown import Markdown

    known = pages()
    found = next((one for one in known if one.id == wanted.upper()), None)
    if found is None:
        listed = "\n".join(f"  {one.id}  {one.title}" for one in known)
        problem = f"There is no rule {wanted!r}" if wanted else "Name a rule"
        raise Failure(f"{problem}; there are:\n{listed}", status=_NOT_CHECKED)
    console = Console()
    if console.is_terminal:
        console.print(Markdown(found.text))
    else:
        typer.echo(found.text)


@contextmanager
def _progress(number: int) -> "Iterator[Progress | None]":
    """Say on a terminal which rule is at work; elsewhere nothing."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console

    done = 0
    with Console(stderr=True).status("starting the app ...") as status:

        def show(one: "Rule") -> None:
            nonlocal done
            done += 1
            status.update(f"{done} of {number}: {one.id} {one.title}")

        yield show


def _write(report: "Report", form: Format, output: Path | None) -> None:
    from rich.console import Console

    from stanchion.gate.report import render, summary, to_html, to_json, to_sarif

    if form is Format.text:
        if output is None:
            render(report, Console())
            return
        with output.open("w", encoding="utf-8") as file:
            render(report, Console(file=file, width=100))
    else:
        made = {Format.json: to_json, Format.sarif: to_sarif, Format.html: to_html}[form](report)
        if output is None:
            typer.echo(made)
            return
        output.write_text(made + "\n", encoding="utf-8")
    typer.echo(f"{summary(report)}: {output}")


def _fails(report: "Report", fail_on: FailOn) -> bool:
    from stanchion.gate import Severity, Verdict

    wanted = {
        FailOn.proven: {Verdict.proven},
        FailOn.suspected: {Verdict.proven, Verdict.suspected},
        FailOn.never: set[Verdict](),
    }[fail_on]
    return any(
        finding.verdict in wanted
        for result in report.results
        if result.rule.severity is not Severity.information
        for finding in result.findings
    )
