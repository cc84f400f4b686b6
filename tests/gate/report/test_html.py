"""The page needs nothing else, is sound HTML, and escapes all that the backend said."""

from dataclasses import replace
from html.parser import HTMLParser
from itertools import pairwise

import pytest
from tests.gate.report.samples import CURL, EMPTY, FULL, LONG, PROVEN, make_rule

from stanchion.gate import Line, Report, Result
from stanchion.gate.report import to_html

_VOID = {"meta", "br", "hr", "img", "input", "link"}


class Page(HTMLParser):
    """Collects the elements and the text, and notes what is not closed as it was opened."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: dict[str, list[str]] = {}
        self.unsound: list[str] = []
        self._open: list[str] = []
        self.feed(html)
        self.close()
        self.unsound += self._open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in _VOID:
            self._open.append(tag)
            self.texts.setdefault(tag, []).append("")

    def handle_endtag(self, tag: str) -> None:
        if not self._open or self._open.pop() != tag:
            self.unsound.append(tag)

    def handle_data(self, data: str) -> None:
        for tag in set(self._open):
            self.texts[tag][-1] += data

    def tags(self) -> set[str]:
        return {tag for tag, _ in self.elements}


@pytest.mark.parametrize("report", [FULL, EMPTY], ids=["full", "empty"])
def test_it_is_sound_and_needs_nothing_else(report: Report) -> None:
    html = to_html(report)
    page = Page(html)
    assert page.unsound == []
    assert html.startswith("<!doctype html>")
    assert ("html", {"lang": "en"}) in page.elements
    assert not page.tags() & {"script", "link", "img", "iframe", "object", "form"}
    for _, attributes in page.elements:
        assert not [name for name in attributes if name.startswith("on") or name == "src"]
        assert (attributes.get("href") or "#").startswith("#")
    assert not any(word in html for word in ("@import", "url(", "javascript:"))
    assert "default-src 'none'" in html
    assert "prefers-color-scheme: dark" in html
    assert 'name="viewport" content="width=device-width, initial-scale=1"' in html


def test_the_headings_leave_no_level_out() -> None:
    levels = [int(tag[1]) for tag, _ in Page(to_html(FULL)).elements if tag in ("h1", "h2", "h3", "h4")]
    assert levels.count(1) == 1
    assert levels[0] == 1
    assert all(following - level <= 1 for level, following in pairwise(levels))


def test_the_links_within_the_page_lead_somewhere() -> None:
    elements = Page(to_html(FULL)).elements
    ids = [attributes["id"] for _, attributes in elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    assert {attributes["href"] for tag, attributes in elements if tag == "a"} <= {f"#{id}" for id in ids}


def test_what_the_backend_said_is_escaped_everywhere() -> None:
    bad = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>\x1b[2J\u202e{{ 7 * 7 }}"
    finding = replace(
        PROVEN, message=bad, operation=bad, file=bad, evidence=bad + "</pre>", curl=bad, advice=bad
    )
    results = (
        Result(make_rule("S01", Line.keys), (finding,)),
        Result(make_rule("S02", Line.keys), reason=bad),
        Result(make_rule("S03", Line.keys), reason=bad + "!", applies=False),
    )
    html = to_html(Report(bad, results, notes=(bad,)))
    page = Page(html)
    assert page.unsound == []
    assert not page.tags() & {"script", "img"}
    assert not any("onerror" in attributes for _, attributes in page.elements)
    assert "\x1b" not in html
    assert "\u202e" not in html
    assert "49" not in page.texts["pre"][0]
    shown = bad.replace("\x1b", r"\x1b").replace("\u202e", r"\u202e")
    assert shown + "</pre>" in page.texts["pre"][0]
    assert shown in page.texts["title"][0]


def test_the_evidence_is_open_and_the_curl_line_whole() -> None:
    page = Page(to_html(FULL))
    assert [attributes for tag, attributes in page.elements if tag == "details" and "open" in attributes]
    assert CURL in [text.strip() for text in page.texts["pre"]]
    assert "\n    if key == settings.API_KEY:" in page.texts["pre"]
    assert any("It looks at `a < b`." in text for text in page.texts["pre"])


def test_long_evidence_is_cut_with_a_note() -> None:
    html = to_html(FULL)
    assert LONG not in html
    assert "more characters; the JSON report has them all." in html


def test_the_figures_and_the_checklist_are_there() -> None:
    page = Page(to_html(FULL))
    text = " ".join(page.texts["body"][0].split())
    assert "49 of 100" in text
    assert (
        "2 proven 1 suspected 1 disproven 1 of 33 lines passed 71 % of the rules that apply verified 4.1 s"
        in text
    )
    assert "✗ authentication on protected endpoints proven: S01" in text
    assert "– type hints everywhere not checked: no rule yet" in text  # noqa: RUF001
    assert "the database <b>did not</b> answer D01 What D01 asks; D02 What D02 asks" in text
    assert "Suspected, and shown not to happen: 1" in text
    assert "2 of 3 were seen to succeed, 2 to refuse; of 1 something is missing" in text
    assert "GET /api/todos 200 401 GET / 200 –" in text  # noqa: RUF001
    assert text.count("✓") == 1
    assert [text for text in page.texts["article"] if "S01" in text] == page.texts["article"][:1]


def test_it_leads_with_what_was_verified() -> None:
    page = Page(to_html(FULL))
    lead = "71 % of the rules that apply verified; score 49 of 100 by them"
    assert page.texts["title"] == [f"{lead}: {FULL.target}"]
    assert f"{lead}." in page.texts["p"][0]


def test_what_never_ran_has_no_score() -> None:
    page = Page(to_html(replace(FULL, error="cannot be imported: KeyError")))
    text = " ".join(page.texts["body"][0].split())
    assert page.texts["title"][0].startswith("No score; ")
    assert "– no score" in text  # noqa: RUF001 (the page's dash)
    assert "of 100" not in text


def test_an_empty_report_claims_nothing() -> None:
    text = " ".join(Page(to_html(EMPTY)).texts["body"][0].split())
    assert "Nothing could be checked." in text
    assert "No rule ran." in text
    assert "✓" not in text


def test_what_is_no_unicode_can_be_written() -> None:
    finding = replace(PROVEN, evidence="\ud800", file="\udcff.py")
    assert to_html(Report("\udcff", (Result(make_rule("S01", Line.keys), (finding,)),))).encode()
