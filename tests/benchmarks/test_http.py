"""benchmarks/http: small runs of the real thing, and the answers that it must not measure."""

import dataclasses
import json
import sys
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from contextlib import nullcontext
from itertools import cycle
from pathlib import Path
from typing import Any, cast

import pytest
from benchmarks.http import beside, catalogue, flames, growth, measuring, report
from benchmarks.http.catalogue import FOLDER, SUBJECTS, Subject
from benchmarks.http.databases import Shelf
from benchmarks.http.load import ROOT, Driver
from benchmarks.http.measuring import Bench, Result, Sample, WrongAnswersError
from benchmarks.http.operations import GET, POST, operations
from benchmarks.http.picture import svg

from stanchion.testing.postgres import Cluster, PostgresServer

FLOOR, PEER = catalogue.subject("floor", "sqlite"), catalogue.subject("sqlmodel-def", "sqlite")
SHOWN = "import floor_sqlite\nfrom floor_sqlite import app, shown\n"
WRONG = {
    "a title that is another": "floor_sqlite.shown = lambda row: {**shown(row), 'title': 'Another'}",
    "a field that is not there": "floor_sqlite.shown = lambda row: {'id': row[0], 'title': row[1]}",
    "a moment that is rounded": "floor_sqlite.shown = lambda row: shown((*row[:4], row[4][:19], row[5]))",
    "a short page": "floor_sqlite.MANY = floor_sqlite.MANY.replace('LIMIT ?', 'LIMIT ? - 1')",
    "the other order": "floor_sqlite.MANY = floor_sqlite.MANY.replace('id LIMIT', 'id DESC LIMIT')",
    "a status that is cut": "floor_sqlite.NEW = floor_sqlite.NEW.replace('(?, ?,', '(?, substr(?, 2),')",
    "a row where there is none": "floor_sqlite.ONE = floor_sqlite.ONE.replace('= ?', '<= ? ORDER BY 1 DESC')",
}
FAILING = """
from floor_sqlite import app as floor
asked = 0

async def app(scope, receive, send):
    global asked
    asked += scope["type"] == "http"
    if asked < 40 or asked % 5:
        return await floor(scope, receive, send)
    headers = [(b"content-length", b"0"), (b"connection", b"close")]
    await send({"type": "http.response.start", "status": 503, "headers": headers})
    await send({"type": "http.response.body", "body": b""})
"""


def bench_on(folder: Path, server: Cluster | None = None) -> Bench:
    return Bench(
        shelf=Shelf(folder, server),
        driver=Driver(None, "python"),
        postgres=server if isinstance(server, PostgresServer) else None,
        peers=sys.executable,
        server_cores=None,
        seconds=0.3,
        warm_up=0,
    )


def subject(folder: Path, source: str) -> Subject:
    """Return a subject with this source, beside the modules of the others."""
    (folder / "own.py").write_text(source)
    return dataclasses.replace(FLOOR, app="own:app", settings={"PYTHONPATH": f"{folder}:{FOLDER}"})


def result(subject: str, operation: str, cpu: float | None, *, errors: int = 0) -> Result:
    return Result(subject, operation, "postgresql", cpu, cpu, cpu, cpu, cpu, errors)


@pytest.mark.slow
def test_the_floor_and_a_peer_are_measured(tmp_path: Path) -> None:
    told: list[str] = []
    results, excluded = measuring.compare(bench_on(tmp_path), [FLOOR, PEER], 1, tell=told.append)
    assert excluded == []
    assert told == ["round 1 of 1: floor on sqlite", "round 1 of 1: sqlmodel-def on sqlite"]
    read = json.loads(json.dumps(measuring.as_json(results)))
    assert [(one["subject"], one["operation"]) for one in read] == [
        (name, operation.name) for name in ("floor", "sqlmodel-def") for operation in operations("sqlite")
    ]
    for one in read:
        assert list(one) == [
            *("subject", "operation", "database"),
            *("cpu_us", "db_cpu_us", "rps", "p50_ms", "p99_ms", "errors"),
        ]
        assert (one["database"], one["db_cpu_us"], one["errors"]) == ("sqlite", None, 0)
        assert min(one["cpu_us"], one["rps"], one["p50_ms"]) > 0
        assert one["p99_ms"] >= one["p50_ms"]
    assert list(tmp_path.glob("copy-*")) == []


def test_the_database_has_a_figure_of_its_own(tmp_path: Path, postgres_server: Cluster) -> None:
    bench = bench_on(tmp_path, postgres_server)
    with bench.serving(catalogue.subject("floor", "postgresql")) as server:
        read, written = bench.sample(server, GET), bench.sample(server, POST)
        assert server.ask("GET", "/api/todos/1001").json["title"].startswith("Buy milk")
    assert (read.errors, written.errors) == (0, 0)
    assert (min(read.db_cpu_us, written.db_cpu_us) > 0) == isinstance(postgres_server, PostgresServer)
    bench.check(catalogue.subject("floor", "postgresql"))


@pytest.mark.slow
def test_stanchion_gives_the_same_answers(tmp_path: Path) -> None:
    bench = bench_on(tmp_path)
    bench.check(catalogue.subject("stanchion", "sqlite"))
    assert bench.shelf.copy("sqlite", "stanchion").key.startswith("st_")


@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG)
def test_what_answers_otherwise_is_not_measured(tmp_path: Path, wrong: str) -> None:
    bench, wrongly = bench_on(tmp_path), subject(tmp_path, SHOWN + wrong)
    with pytest.raises(WrongAnswersError, match="floor on sqlite: "):
        bench.check(wrongly)
    assert list(tmp_path.glob("copy-*")) == []


def test_a_comparison_leaves_out_what_answers_otherwise(tmp_path: Path) -> None:
    wrongly = subject(tmp_path, SHOWN + WRONG["a short page"])
    results, (why,) = measuring.compare(bench_on(tmp_path), [wrongly], 2, tell=str)
    assert results == []
    assert why.startswith("floor on sqlite: GET /api/todos?limit=20 answers [")


def test_one_that_does_not_start_says_why(tmp_path: Path) -> None:
    broken = subject(tmp_path, "raise SystemExit('no such setting')")
    results, (why,) = measuring.compare(bench_on(tmp_path), [broken], 1, tell=str)
    assert results == []
    assert "no such setting" in why


def test_one_that_fails_under_load_is_void(tmp_path: Path) -> None:
    bench = bench_on(tmp_path)
    with bench.serving(subject(tmp_path, FAILING)) as server:
        sample = bench.sample(server, GET)
    assert 0 < sample.errors < sample.rps
    void = Result.of(FLOOR, "get", [dataclasses.replace(sample, errors=0), sample])
    assert (void.errors, void.cpu_us, void.rps) == (sample.errors, None, None)
    assert "| floor: bare ASGI, sqlite3 in the loop, orjson | void |" in report.markdown([void])


@dataclasses.dataclass
class Scripted:
    """A bench whose loads show these samples, again and again."""

    samples: Iterator[Sample]
    warmed: list[float]
    """How long each was warmed up."""
    warm_up: float = 1.0

    def serving(self, _: Subject) -> Any:
        return nullcontext()

    def sample(self, *_: Any) -> Sample:
        self.warmed.append(self.warm_up)
        return next(self.samples)


def scripted(*rps: float, errors: int = 0) -> Any:
    """Return a bench whose loads show these figures, again and again, and their errors with the last."""
    return Scripted(
        cycle([Sample(1e6 / one, 0.0, one, 1.0, 1.0, errors * (one == rps[-1])) for one in rps]), []
    )


def test_clients_are_more_in_turn() -> None:
    turns = (1000.0, 4000.0, 3000.0, 100.0, 40.0, 30.0, 1100.0, 4400.0, 3300.0)  # 1, 16 and 64 clients
    facts = {fact.name: fact for fact in growth.connections(scripted(*turns))}
    one, many = facts["get, 1 client, SQLite"], facts["get, 64 clients, SQLite"]
    assert (one.value, many.value, many.ratio) == (1000.0, 3000.0, 3.0)
    assert facts["get, 16 clients, PostgreSQL: CPU"].ratio == pytest.approx(0.25)


def test_the_floor_and_stanchion_are_asked_in_turn() -> None:
    floor, ours = Sample(100.0, 60.0, 9000.0, 1.0, 4.0, 0), Sample(180.0, 140.0, 5000.0, 2.0, 10.0, 0)
    slow = [dataclasses.replace(one, cpu_us=9 * one.cpu_us) for one in (floor, ours)]
    cold = [Sample(1.0, 1.0, 1.0, 1.0, 1.0, 0)] * 2
    # What comes first in a turn comes second in the next.
    bench = Scripted(cycle([*cold, floor, ours, *reversed(slow), floor, ours]), [])
    told: list[str] = []
    found = beside.measure(cast("Bench", bench), 3, tell=told.append)
    assert bench.warmed == [*[1.0] * 2, *[0] * 6] * 4
    assert told[0] == "beside the floor: get"
    assert [one.operation for one in found] == ["get", "list 20", "list 100", "post"]
    assert {(one.cpu, one.total_cpu, one.p99, one.pairs) for one in found} == {(1.8, 2.0, 2.5, 3)}
    assert json.loads(json.dumps(beside.as_json(found)))[3]["operation"] == "post"
    lines = beside.markdown(found).splitlines()
    assert lines[0] == "Times the floor's, on PostgreSQL; medians of 3 pairs of loads:"
    assert lines[2] == "| Stanchion, the template | get | list 20 | list 100 | post |"
    assert lines[4:] == [
        "| Server CPU | 1.80 | 1.80 | 1.80 | 1.80 |",
        "| CPU of the server and PostgreSQL | 2.00 | 2.00 | 2.00 | 2.00 |",
        "| 99th percentile | 2.50 | 2.50 | 2.50 | 2.50 |",
    ]


def test_what_was_answered_wrongly_stands_beside_nothing() -> None:
    told: list[str] = []
    assert beside.measure(scripted(1.0, 2.0, 3.0, 4.0, errors=7), 2, tell=told.append) == []
    assert told[1] == "not measured: get: 7 answers were no 2xx"
    assert beside.markdown([]) == "It was not measured."


def test_growth_that_is_answered_wrongly_is_not_measured() -> None:
    with pytest.raises(WrongAnswersError, match="get: 3 answers were no 2xx"):
        list(growth.connections(scripted(10.0, 20.0, 30.0, errors=3)))


def test_a_result_is_the_median_of_its_samples() -> None:
    samples = [Sample(one, 2 * one, 3 * one, 4 * one, 5 * one, 0) for one in (1.0, 9.0, 2.0)]
    found = Result.of(catalogue.subject("floor", "postgresql"), "get", samples)
    assert found == Result("floor", "get", "postgresql", 2.0, 4.0, 6.0, 8.0, 10.0, 0)


def test_the_tables_say_how_far_from_the_floor_each_is() -> None:
    results = [
        result("floor", "get", 80),
        result("stanchion", "get", 120),
        result("fastcrud", "get", None, errors=1),
    ]
    table = report.Table.of("postgresql", results)
    assert table.ratio("stanchion", "get") == 1.5
    assert table.ratio("fastcrud", "get") is None
    lines = table.cpu().splitlines()
    assert lines[0] == "| PostgreSQL | get |"
    assert lines[2:4] == [
        "| floor: bare ASGI, asyncpg, orjson | 80 |",
        "| Stanchion, the template | 120 (1.5) |",
    ]


def test_the_picture_has_a_bar_for_each_that_is_not_void() -> None:
    results = [
        *(result(name, operation, 80) for name in ("floor", "stanchion") for operation in ("get", "post")),
        result("fastcrud", "get", None, errors=3),
    ]
    drawn = ET.fromstring(svg(report.Table.of("postgresql", results), ["get", "post"]))
    assert len(drawn.findall("{*}rect")) == 4
    assert "80 µs, 1.0 x" in [text.text for text in drawn.iter() if text.tag.endswith("text")]


def test_a_page_takes_its_sections(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# Title\n<!-- tables -->\nold\n<!-- /tables -->\nend\n")
    report.write(page, {"tables": "new"})
    assert page.read_text() == "# Title\n<!-- tables -->\nnew\n<!-- /tables -->\nend\n"
    with pytest.raises(ValueError, match="no section growth"):
        report.write(page, {"growth": "new"})


def test_the_page_names_every_subject_and_has_its_picture() -> None:
    text = (ROOT / "docs" / "performance.md").read_text()
    assert [one.title for one in SUBJECTS if one.title not in text] == []
    assert "pictures/performance.svg" in text
    ET.parse(ROOT / "docs" / "pictures" / "performance.svg")
    for name in ("machine", "tables", "beside", "growth"):
        assert text.count(f"<!-- {name} -->") == text.count(f"<!-- /{name} -->") == 1


def test_a_sample_is_its_innermost_layers() -> None:
    lines = [
        "run (uvicorn/server.py:1);app (fastapi/routing.py:2);one (stanchion/resource/reader.py:3) 3",
        "run (uvicorn/server.py:1);app (fastapi/routing.py:2);enter (contextlib.py:9) 2",
        "run (uvicorn/server.py:1);near (stanchion/routing/table.py:4);split (x.py:1) 1",
        "run (uvicorn/server.py:1);handle (stanchion/routing/plan.py:4) 1",
        "main (asyncio/runners.py:1) 1",
        "fetch (asyncpg/connection.py:5) 4",
    ]
    found = flames.by_layer(lines)
    assert dict(found) == {
        "the resource: stanchion.resource, stanchion.database": 3,
        "FastAPI and Starlette: which route it is": 3,
        "the signature: stanchion.routing": 1,
        "the server: uvicorn, uvloop, httptools": 1,
        "the statement: asyncpg": 4,
    }
    table = flames.shares({"get": found})
    assert "| the statement: asyncpg | 33% |" in table
    assert table.count("\n") == len(flames.LAYERS) + 1


def test_a_flame_graph_names_no_command(tmp_path: Path) -> None:
    picture = tmp_path / "flame.svg"
    picture.write_text('<svg><text id="title" x="1">py-spy --output /somewhere</text><text>a</text></svg>')
    flames._entitle(picture, "GET /a & b")
    assert picture.read_text() == '<svg><text id="title" x="1">GET /a &amp; b</text><text>a</text></svg>'
