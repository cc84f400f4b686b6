"""Reports built by hand."""

from collections.abc import Iterable

from stanchion.gate import Finding, Kind, Line, Report, Result, Rule, Severity, Verdict
from stanchion.gate.model import Exercised

HOSTILE = "[red]not red[/red] <script>alert(1)</script> \x1b[31mred\x1b[0m {{ 7 * 7 }} & \u202egnp"
LONG = "\n".join(f"line {number}: {'x' * 60}" for number in range(500))
CURL = (
    "curl -X POST http://127.0.0.1:8000/api/todos -H 'X-API-Key: [bold]wrong[/bold]' "
    """-H 'Content-Type: application/json' -d '{"title": "Buy milk", "done": false, "note": ":smile:"}'"""
)


def make_rule(id: str, line: Line, severity: Severity = Severity.major, title: str = "") -> Rule:
    def check(_: object) -> Iterable[Finding]:
        return ()

    title = title or f"What {id} asks"
    page = f"# {id}: {title}\n\n## What it does\nIt looks at `a < b`."
    return Rule(id, title, severity, Kind.live, line, check, page)


PROVEN = Finding(
    message="A wrong key is let in.",
    verdict=Verdict.proven,
    operation="POST /api/todos",
    file="routers/todos.py",
    line=12,
    evidence=HOSTILE,
    curl=CURL,
    advice="Depend on the guard in every router.",
)
SUSPECTED = Finding(
    message="A secret is compared with == at main.py:34.",
    verdict=Verdict.suspected,
    file="main.py",
    line=34,
    evidence="    if key == settings.API_KEY:",
    advice="Compare with secrets.compare_digest(a, b).",
)
DISPROVEN = Finding(
    message="The list looked unbounded.",
    verdict=Verdict.disproven,
    operation="GET /api/todos",
    evidence="200",
)
VERBOSE = Finding(message="The answer is HTML.", verdict=Verdict.proven, operation="GET /", evidence=LONG)

EMPTY = Report("project", ())

FULL = Report(
    "backends/[bold]shop[/bold]",
    (
        Result(make_rule("A01", Line.statuses, Severity.minor), (VERBOSE,)),
        Result(make_rule("A02", Line.rest), (DISPROVEN,)),
        Result(make_rule("D01", Line.pooled), reason="the database <b>did not</b> answer"),
        Result(make_rule("D02", Line.queries), reason="the database <b>did not</b> answer"),
        Result(make_rule("D03", Line.queries)),
        Result(make_rule("E01", Line.streams), reason="there is no stream", applies=False),
        Result(make_rule("S01", Line.authentication, Severity.critical, "A key is asked for"), (PROVEN,)),
        Result(make_rule("S04", Line.keys), (SUSPECTED,)),
    ),
    seconds=4.123,
    notes=("The tables were made in a new database.",),
    operations=(
        Exercised("GET /api/todos", 200, 401),
        Exercised("GET /", 200, 0),
        Exercised("POST /<b>import</b>", 0, 422, "it was not seen to succeed: the last answer was 422"),
    ),
)
