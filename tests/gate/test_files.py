"""What the app may write: its copy, what is temporary, and nothing of anybody else's."""

import os
import shutil
import socket
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from stanchion.gate import Finding, Kind, Line, Options, Project, Rule, Severity, check
from stanchion.gate.agent import files, guard
from stanchion.gate.subject import Subject

OPEN = "open"


@pytest.fixture
def told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Guard `tmp_path/copy` in this process, without the hook, and give what was told of refusals."""
    heard: list[str] = []
    for name in ("copy", "temporary", "other"):
        (tmp_path / name).mkdir()
    (tmp_path / "other" / "file").write_text("kept")
    state: dict[str, Any] = {
        "root": str(tmp_path / "copy"),
        "allowed": frozenset(),
        "refused": [],
        "effects": None,
    }
    monkeypatch.setattr(guard, "_state", {**state, "told": heard.append})
    monkeypatch.setattr(guard, "_files", {"done_without": None, "lacking": set()})
    monkeypatch.setattr(files, "_TEMPORARY", str(tmp_path / "temporary"))
    monkeypatch.chdir(tmp_path / "copy")
    return heard


def cases(other: Path) -> Iterator[tuple[str, tuple[Any, ...]]]:
    file, new, flags = str(other / "file"), str(other / "new"), os.O_WRONLY | os.O_CREAT
    yield from (((OPEN, (file, mode, 0))) for mode in ("w", "a", "r+", "rb+", "wb"))
    yield from ((OPEN, one) for one in ((new, "x", 0), (new, None, flags), (os.fsencode(file), "w", 0)))
    yield from ((OPEN, one) for one in ((other / "file", "w", 0), (file, None, os.O_RDWR)))
    yield from ((event, (file, -1)) for event in ("os.remove", "os.rmdir"))
    yield "shutil.rmtree", (file, None)
    yield "os.mkdir", (new, 0o777, -1)
    yield "os.mkdir", ("../other/new", 0o777, -1)
    yield "os.rename", (file, "mine", -1, -1)
    yield "os.rename", (__file__, "mine", -1, -1)
    yield "os.link", (file, "mine", -1, -1)
    yield "os.symlink", ("mine", new, -1)
    yield "os.truncate", (file, 0)
    yield "os.chmod", (file, 0o777, -1)
    yield "os.chown", (file, 0, 0, -1)
    yield "os.utime", (file, None, None, -1)


def test_what_is_outside_is_refused(told: list[str], tmp_path: Path) -> None:
    for event, arguments in cases(tmp_path / "other"):
        with pytest.raises(PermissionError, match="refuses this file while it tests: "):
            guard._audit(event, arguments)
    assert {one["what"] for one in guard.refused()} == {"file"}
    assert str(tmp_path / "other" / "file") in told
    assert (tmp_path / "other" / "file").read_text() == "kept"


def test_a_link_leads_outside_and_its_name_is_inside(told: list[str], tmp_path: Path) -> None:
    Path("link").symlink_to(tmp_path / "other" / "file")
    with pytest.raises(PermissionError):
        guard._audit(OPEN, ("link", "w", 0))
    guard._audit("os.remove", ("link", -1))


def test_a_folder_that_is_open_is_what_a_name_is_relative_to(told: list[str], tmp_path: Path) -> None:
    """As shutil.rmtree removes."""
    opened = os.open(tmp_path / "other", os.O_RDONLY)
    try:
        with pytest.raises(PermissionError):
            guard._audit("os.remove", ("file", opened))
    finally:
        os.close(opened)


def test_what_passes(told: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other, flags = str(tmp_path / "other"), os.O_WRONLY | os.O_CREAT
    monkeypatch.setattr("sys.pycache_prefix", f"{other}/caches")
    for name in (
        *("new", f"{tmp_path}/copy/a", f"{tmp_path}/temporary/a", "/dev/null", f"/proc/{os.getpid()}/comm"),
        *(f"{other}/__pycache__/a.pyc", f"{other}/caches/a.pyc", f"{other}/.coverage.1"),
    ):
        guard._audit(OPEN, (name, "w", 0))
        guard._audit(OPEN, (name, None, flags))
        guard._audit("os.mkdir", (name, 0o777, -1))
    for path, mode, how in ((f"{other}/file", "r", 0), (f"{other}/file", None, os.O_RDONLY), (5, "w", 0)):
        guard._audit(OPEN, (path, mode, how))
    guard._audit("os.truncate", (5, 0))
    # These fail by themselves, as they do without the gate.
    guard._audit("os.mkdir", (other, 0o777, -1))
    guard._audit(OPEN, (f"{other}/missing", "r+", 0))
    for event in ("os.remove", "os.rmdir", "shutil.rmtree", "os.chmod"):
        guard._audit(event, (f"{other}/missing", -1))
    guard._audit("os.rename", (f"{other}/missing", f"{other}/new", -1, -1))
    assert (told, guard.refused()) == ([], [])


def test_what_could_not_be_written_is_told_of_where_it_is_read(told: list[str], tmp_path: Path) -> None:
    folder = f"{tmp_path}/other/uploads"
    guard._audit("os.listdir", (folder,))
    with pytest.raises(PermissionError):
        guard._audit("os.mkdir", (folder, 0o777, -1))
    for event, arguments in (
        ("os.listdir", (folder,)),
        (OPEN, (f"{folder}/a", "r", 0)),
        ("os.listdir", (None,)),
    ):
        guard._audit(event, arguments)
    assert told == [folder, folder, f"{folder}/a"]


def test_an_app_that_runs_does_without(told: list[str], tmp_path: Path) -> None:
    """Until it does, a refused file may be why it does not."""
    for started in (False, True):
        with pytest.raises(PermissionError):
            guard._audit(OPEN, (f"{tmp_path}/other/{started}\n", "w", 0))
        if not started:
            guard.started()
    names = [f"{tmp_path}/other/{started}?" for started in (False, True)]
    assert (guard.refused(), [one["target"] for one in guard.refused_files()]) == ([], names)
    assert guard.refused_files() == []
    assert told == names


def test_datagrams_and_names(told: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagrams:
        for event in ("socket.sendto", "socket.sendmsg"):
            with pytest.raises(ConnectionRefusedError, match="refuses this connection while it tests"):
                guard._audit(event, (datagrams, ("192.0.2.1", 53)))
        guard._audit("socket.sendmsg", (datagrams, None))  # it is connected
    with pytest.raises(socket.gaierror, match=r"tests: db\.example\.com$"):
        guard._audit("socket.gethostbyname", ("db.example.com",))
    for name in ("localhost", socket.gethostname()):
        guard._audit("socket.gethostbyname", (name,))
    if hasattr(socket, "AF_NETLINK"):
        with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW) as kernel:
            guard._audit("socket.sendto", (kernel, (0, 0)))
    assert told == ["192.0.2.1:53", "192.0.2.1:53", "db.example.com"]


APP = """
import os
import shutil
import socket
from pathlib import Path

from fastapi import FastAPI

OTHER = Path(os.environ["OTHER"])
try:
    log = (OTHER / "app.log").open("a")
except OSError:
    log = None
app = FastAPI()


@app.get("/inside")
def inside() -> str:
    Path("uploads").mkdir(exist_ok=True)
    Path("uploads/a").write_text("a")
    shutil.copyfile("uploads/a", "uploads/b")
    shutil.rmtree("uploads")
    return "done"


@app.get("/tree")
def tree() -> None:
    shutil.rmtree(OTHER / "tree", ignore_errors=True)


@app.get("/move")
async def move() -> None:
    shutil.move(OTHER / "file", "mine")


@app.get("/datagram")
def datagram() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sent:
        sent.sendto(b"a", ("127.0.0.1", int(os.environ["PORT"])))
"""


@pytest.mark.slow
def test_an_app_that_writes_outside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is judged all the same, and what it did not get proves nothing."""
    other = tmp_path / "other"
    for folder in (tmp_path / "shop", tmp_path / "temporary", other / "tree"):
        folder.mkdir(parents=True)
    for file in (other / "file", other / "tree" / "file"):
        file.write_text("kept")
    monkeypatch.setenv("TMPDIR", str(tmp_path / "temporary"))
    (tmp_path / "shop" / "main.py").write_text(APP)
    met: dict[str, tuple[int, str]] = {}
    effects: list[Any] = []

    def look(subject: Subject) -> Iterable[Finding]:
        effects.extend((one["does"], one["file"], one["line"]) for one in subject.app.effects)
        for operation in subject.document.operations:
            exchange = subject.running.ask(operation)
            met[operation.path] = exchange.status, exchange.kept
        return ()

    rule = Rule("X01", "It is asked", Severity.information, Kind.live, Line.docs, look, "")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
        options = Options(environment=(("OTHER", str(other)), ("PORT", str(port))))
        report = check(Project.find(tmp_path / "shop", entry="main:app"), rules=[rule], options=options)
        with pytest.raises(BlockingIOError):
            listener.recv(1, socket.MSG_DONTWAIT)
    assert report.results[0].reason == ""
    assert met == {
        "/inside": (200, ""),
        "/tree": (500, str(other / "tree")),
        "/move": (500, str(other / "file")),
        "/datagram": (500, f"127.0.0.1:{port}"),
    }
    assert effects == [("writes outside of its folder", "main.py", 11)]
    found = sorted(path.relative_to(other).as_posix() for path in other.rglob("*"))
    assert found == ["file", "tree", "tree/file"]
    shutil.rmtree(other)
