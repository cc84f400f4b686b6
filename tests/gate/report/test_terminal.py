"""The terminal shows it all at 80 columns and in a pipe, and takes nothing of it for markup."""

import io
from dataclasses import replace

import pytest
from rich.console import Console
from tests.gate.report.samples import CURL, EMPTY, FULL, PROVEN, SUSPECTED, make_rule

from stanchion.gate import Line, Report, Result, Severity
from stanchion.gate.report import render


def shown(report: Report, *, width: int = 80, encoding: str = "utf-8", terminal: bool = False) -> str:
    stream = io.TextIOWrapper(io.BytesIO(), encoding=encoding, newline="")
    console = Console(
        file=stream, width=width, force_terminal=terminal, color_system="truecolor" if terminal else "auto"
    )
    render(report, console)
    stream.seek(0)
    return stream.read()


def test_the_last_line_sums_it_up() -> None:
    ran = Result(make_rule("S04", Line.keys))
    for results, expected in (
        ((ran,), "Score 100 of 100; 100 % of the rules that apply verified; 0 proven, 0 suspected"),
        (
            FULL.results,
            "71 % of the rules that apply verified; score 49 of 100 by them; 2 proven, 1 suspected",
        ),
        (
            (ran, Result(make_rule("D01", Line.pooled), reason="there is no source")),
            "Nothing wrong found in the 50 % that could be verified of the rules that apply; "
            "score 100 of 100 by them; 0 proven, 0 suspected",
        ),
    ):
        assert shown(replace(FULL, results=results)).splitlines()[-1] == f"{expected}; 4.1 s"


def test_each_line_of_the_checklist_has_a_mark_and_a_word() -> None:
    lines = [" ".join(line.split()) for line in shown(FULL).splitlines()]
    assert "✗ authentication on protected endpoints proven: S01" in lines
    assert "? keys validated suspected: S04" in lines
    assert "✓ REST conventions" in lines
    assert "– no N+1 partly: 1 of 2 rules not run" in lines  # noqa: RUF001
    assert "– connections pooled not checked: D01" in lines  # noqa: RUF001
    assert "– streams unbuffered nothing to check" in lines  # noqa: RUF001
    assert "– type hints everywhere not checked: no rule yet" in lines  # noqa: RUF001
    assert lines.count("✓ REST conventions") == sum(line.startswith("✓") for line in lines) == 1
    assert lines.index("Output") < lines.index("Security") < lines.index("Findings")


def test_the_operations_are_summed_up_and_the_gaps_named() -> None:
    text = " ".join(shown(FULL).split())
    assert "Operations 2 of 3 were seen to succeed, 2 to refuse; of 1 something is missing POST" in text
    assert "POST /<b>import</b>: it was not seen to succeed: the last answer was 422" in text
    whole = replace(FULL, operations=FULL.operations[:2])
    assert "2 of 2 were seen to succeed, 1 to refuse; nothing is missing" in " ".join(shown(whole).split())
    assert "Operations" not in shown(EMPTY)


def test_the_most_severe_rule_is_first() -> None:
    text = shown(FULL)
    places = [text.index(f"{id} {severity}") for id, severity in [("S01", "critical"), ("S04", "major")]]
    assert places == sorted(places)
    assert places[-1] < text.index("A01 minor")
    assert text.index("Findings") < text.index("\nNot checked\n") < text.index("\nNothing to check\n")


def test_a_finding_is_shown_whole() -> None:
    lines = shown(FULL).splitlines()
    assert "  proven  POST /api/todos  routers/todos.py:12" in lines
    assert "  A wrong key is let in." in lines
    assert "  Depend on the guard in every router." in lines
    assert "          if key == settings.API_KEY:" in lines  # its own indentation is kept
    assert "  stanchion check explain S04" in lines


@pytest.mark.parametrize("terminal", [True, False])
def test_the_curl_line_can_be_pasted(terminal: bool) -> None:
    assert len(CURL) > 80
    assert CURL in shown(FULL, terminal=terminal).splitlines()


def test_evidence_is_no_markup_and_no_escape() -> None:
    text = shown(FULL, width=200)
    assert r"[red]not red[/red] <script>alert(1)</script> \x1b[31mred\x1b[0m {{ 7 * 7 }} & \u202egnp" in text
    assert "stanchion check backends/[bold]shop[/bold]\n" in text
    assert "\x1b" not in text


def test_long_evidence_is_cut_with_a_note() -> None:
    text = shown(FULL)
    assert "line 8: xxx" in text
    assert "line 12: xxx" not in text
    assert "more characters; the JSON report has them all" in text
    assert len(text.splitlines()) < 160


@pytest.mark.parametrize("width", [40, 80, 120])
def test_nothing_but_what_is_pasted_is_wider_than_the_terminal(width: int) -> None:
    pasted = {CURL, "  proven  POST /api/todos  routers/todos.py:12"}
    lines = [line for line in shown(FULL, width=width).splitlines() if line not in pasted]
    if width > 40:
        assert max(map(len, lines[:-1])) <= width
    assert not any(line.endswith(" ") for line in lines)


@pytest.mark.parametrize("width", [50, 80])
def test_a_long_verdict_is_wrapped_beside_its_line(width: int) -> None:
    results = (Result(make_rule(f"S{number:02}", Line.keys), (PROVEN,)) for number in range(30))
    text = shown(Report("x", tuple(results)), width=width)
    before = text.partition("\nFindings\n")[0]
    assert max(map(len, before.splitlines())) <= width
    ids = " ".join(before.partition("keys validated")[2].partition("– CORS")[0].split())  # noqa: RUF001
    assert ids == "proven: " + ", ".join(f"S{number:02}" for number in range(30))


def test_advice_that_repeats_is_said_once() -> None:
    second = replace(SUSPECTED, line=99)
    report = Report("x", (Result(make_rule("S04", Line.keys), (SUSPECTED, second)),))
    text = shown(report)
    assert text.count("Compare with secrets.compare_digest") == 1
    assert text.index("main.py:99") < text.index("Compare with")


def test_many_findings_of_a_rule_are_cut_with_a_note() -> None:
    findings = tuple(replace(SUSPECTED, line=number) for number in range(1, 40))
    text = shown(Report("x", (Result(make_rule("S04", Line.keys), findings),)))
    assert "main.py:10" in text
    assert "main.py:11" not in text
    assert "and 29 more of S04" in text


def test_the_reasons_are_shown_once_with_their_rules() -> None:
    text = shown(FULL)
    assert (
        "\n  the database <b>did not</b> answer\n      D01 What D01 asks\n      D02 What D02 asks\n" in text
    )
    assert "\n  there is no stream\n      E01 What E01 asks\n" in text
    assert "\n  no rule yet\n      26 of the checklist's lines: see above\n" in text


def test_an_app_that_never_ran_has_no_score() -> None:
    text = " ".join(shown(replace(FULL, error="does not start: KeyError: 'A' (main.py, line 3)")).split())
    assert "The app does not start: KeyError: 'A' (main.py, line 3). No score; 71 %" in text
    assert "No score" not in shown(FULL)


def test_an_empty_report_claims_nothing() -> None:
    text = shown(EMPTY)
    assert "✓" not in text
    assert "Nothing could be checked." in text
    assert (
        text.splitlines()[-1]
        == "No score; 0 % of the rules that apply verified; 0 proven, 0 suspected; 0.0 s"
    )


@pytest.mark.parametrize("encoding", ["ascii", "cp1252"])
def test_it_can_be_written_where_there_is_no_unicode(encoding: str) -> None:
    odd = replace(PROVEN, evidence="\U0001f600 \ud800", message="Größe …")
    rule = make_rule("S01", Line.keys, Severity.minor)
    text = shown(Report("\udcff", (Result(rule, (odd,)),)), encoding=encoding)
    assert "x keys validated" in " ".join(text.split())
    assert r"\U0001f600 \ud800" in text


def test_a_terminal_gets_colours_and_a_pipe_none() -> None:
    assert "\x1b[" in shown(FULL, terminal=True)
    assert "\x1b[" not in shown(FULL, terminal=False)
