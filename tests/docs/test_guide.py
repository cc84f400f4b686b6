"""docs/guide, from its first line to its last: one shop on one SQLite file, in a real shell."""

import json
import os
import re
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from tests.pages import answered, blocks, shown
from tests.serving import PATIENCE, client, free_port
from tests.shell import Shell, shell

GUIDE = Path(__file__).parents[2] / "docs/guide"
PAGES = sorted(GUIDE.glob("[0-9]-*.md"))
STEPS = sorted(path for path in (GUIDE / "steps").iterdir() if path.is_dir())
SCORE = re.compile(r"\*\*(\d+) of 100\*\*")
ROW = re.compile(r"^\| \[(\d) [^]]*\]\((.+?)\) \|.*\| (\d+) \|", re.MULTILINE)
TEXT = r"^## {}$\n(.*?)(?=^## |\Z)"


def section(page: Path, heading: str) -> str:
    """Return what stands under a heading of a page; nothing where it has no such heading."""
    found = re.search(TEXT.format(heading), page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    return found[1] if found else ""


def test_a_page_a_step() -> None:
    assert [page.stem[0] for page in PAGES] == [step.name[0] for step in STEPS]
    rows = ROW.findall((GUIDE / "index.md").read_text(encoding="utf-8"))
    assert [(number, name) for number, name, _ in rows] == [(page.stem[0], page.name) for page in PAGES]
    for (_, name, score), page in zip(rows, PAGES, strict=True):
        assert SCORE.findall(page.read_text(encoding="utf-8")) == [score], name
    scores = [int(score) for _, _, score in rows]
    assert all(before <= after for before, after in pairwise(scores))
    assert scores[-1] == 100


@pytest.mark.parametrize(("page", "step"), list(zip(PAGES, STEPS, strict=True)), ids=lambda path: path.name)
def test_the_code_that_a_page_shows_is_that_of_its_step(page: Path, step: Path) -> None:
    code = [block for kind, block in blocks(page) if kind == "python"]
    assert code
    for block in code:
        name, _, text = block.partition("\n")
        whole = (step / name.removeprefix("# ")).read_text(encoding="utf-8")
        for part in text.strip("\n").split("\n\n\n"):
            assert part in whole, f"{name}: {part}"


@pytest.mark.parametrize("page", PAGES[1:], ids=lambda page: page.stem)
def test_what_was_wrong_is_asked_again(page: Path) -> None:
    before, after = (
        [line for line in section(page, heading).splitlines() if line.startswith("curl")]
        for heading in ("What was wrong", "What is right now")
    )
    assert before
    same = [re.sub(r"/orders/\d+", "/orders/...", line) for line in after]
    assert {re.sub(r"/orders/\d+", "/orders/...", line) for line in before} <= set(same)


class Feed:
    """What `curl -N` prints: the events of a stream, as they come."""

    def __init__(self, lines: Iterator[str]) -> None:
        self._lines = lines

    def __iter__(self) -> Iterator[tuple[str, Any]]:
        kind = ""
        for line in self._lines:
            name, _, value = line.partition(": ")
            if name == "event":
                kind = value
            elif name == "data":
                yield kind, json.loads(value)


@contextmanager
def followed(line: str) -> Iterator[Any]:
    """Open the stream that a line with `curl -N` asks for; what is none is answered as it is."""
    url, key = re.fullmatch(r"curl -N (\S+) -H '(?:X-API-Key: )(\S+)'", line).groups()  # type: ignore[union-attr] # the one form
    with client("") as caller, caller.stream("GET", url, headers={"X-API-Key": key}) as response:
        if response.status_code != 200:
            yield json.loads(response.read())
        else:
            yield Feed(response.iter_lines())


def told(block: str) -> list[tuple[str, Any]]:
    """Return the events that a page shows."""
    return list(Feed(iter(block.splitlines())))


class Reader:
    """Somebody who pastes a page, block by block, and looks whether it is as the page says."""

    def __init__(self, terminal: Shell, folder: Path, address: str, streams: ExitStack) -> None:
        self._terminal, self._folder, self._address, self._streams = terminal, folder, address, streams
        self._asked, self._patience = "", 0.0
        self._answer: Any = None
        self._feed: Feed | None = None
        self.compared = 0

    def read(self, page: Path) -> None:
        for kind, block in blocks(page):
            if kind == "ini":
                name, _, text = block.partition("\n")
                (self._folder / name.removeprefix("# ")).write_text(text)
            elif kind == "sh":
                for line in block.splitlines():
                    self._paste(line)
            elif kind == "json" or self._asked:
                self._compare(json.loads(block) if kind == "json" else block.strip())
            elif kind == "text" and block.startswith("event: "):
                self._compare_events(told(block))

    def _paste(self, line: str) -> None:
        if line.startswith("sleep"):
            self._patience = PATIENCE
        self._asked = self._terminal.run(line).replace("127.0.0.1:8000", self._address)
        if " -N " in self._asked:
            self._answer = self._streams.enter_context(followed(self._asked))
            if isinstance(self._answer, Feed):
                self._feed, self._asked = self._answer, ""
        elif self._asked:
            self._answer = answered(self._asked)

    def _compare(self, expected: Any) -> None:
        deadline = time.monotonic() + self._patience
        while shown(self._answer, expected) != expected and time.monotonic() < deadline:
            time.sleep(0.5)
            self._answer = answered(self._asked)
        assert shown(self._answer, expected) == expected, self._asked
        self._asked, self._patience = "", 0.0
        self.compared += 1

    def _compare_events(self, expected: list[tuple[str, Any]]) -> None:
        assert self._feed is not None
        assert expected
        # Those of the page first: nobody waits for one more than it shows.
        for (wanted, shape), (kind, data) in zip(expected, self._feed, strict=False):
            assert (kind, shown(data, shape)) == (wanted, shape)
        self._feed = None
        self._streams.close()
        self.compared += 1


@pytest.mark.slow
@pytest.mark.timeout(450)
def test_the_guide(tmp_path: Path) -> None:
    port, folder = free_port(), tmp_path / "shop"
    folder.mkdir()
    path = os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))
    variables = {"PATH": path, "GUIDE": str(GUIDE / "steps"), "PORT": str(port), "UVICORN_PORT": str(port)}
    url = f"http://127.0.0.1:{port}/docs"
    with ExitStack() as streams, shell(folder, url, tmp_path / "log", **variables) as terminal:
        reader = Reader(terminal, folder, f"127.0.0.1:{port}", streams)
        for page in PAGES:
            reader.read(page)
        assert reader.compared > 30
