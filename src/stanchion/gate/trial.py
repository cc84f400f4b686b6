"""One check of a project: its copy, the agents that run in it, and the databases that they are given."""

import os
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from dotenv import dotenv_values
from pydantic import TypeAdapter

from stanchion.gate.live import Live
from stanchion.gate.model import NotChecked
from stanchion.gate.process import Agent, AgentError
from stanchion.gate.project import Project
from stanchion.gate.running import Running
from stanchion.gate.scratch import ScratchError, Server, is_postgres, scratch
from stanchion.gate.subject import Document, Loaded

_LOADED = TypeAdapter(Loaded)
_NOT_STARTED = "NotStarted: "
_SERVER = ("uvicorn", "h11", "click")


@dataclass(frozen=True)
class Options:
    """How to check: a key for protected operations, `host:port` that the app may reach, its variables."""

    key: str = ""
    allowed: tuple[str, ...] = ()
    environment: tuple[tuple[str, str], ...] = ()
    database_url: str = ""
    """Where a scratch database may be made."""
    owned: bool = False
    """Somebody said that a host which is not this machine is theirs."""
    against: Path | None = None
    """The OpenAPI document of the last release."""


class Trial:
    """The copy of a project, and the agents that run in it; what it opens is closed by `until_the_end`."""

    def __init__(self, copy: Project, options: Options, until_the_end: ExitStack) -> None:
        self._copy, self._options, self._until_the_end = copy, options, until_the_end
        self._allowed = list(options.allowed)
        self.notes: list[str] = []
        self.not_started = ""
        """Why the app does not start, through no doing of the gate's."""
        file = {name: value or "" for name, value in dotenv_values(copy.root / ".env").items()}
        own = {"PYTHONDONTWRITEBYTECODE": "1", "PYTHONUNBUFFERED": "1"}
        inherited = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        self._given = {**inherited, **own, **dict(options.environment)}
        self._known = {**file, **self._given}

    def agent(self) -> Agent:
        """Return an agent in the copy, not yet started."""
        return Agent(self._copy.python, directory=self._copy.root, environment=self._given)

    def _give_databases(self) -> None:
        """Point each variable that holds a URL of PostgreSQL at a scratch database, and note it."""
        given, made = self._options.database_url, dict[str, str]()
        wanted = {name: given or value for name, value in self._known.items() if is_postgres(value)}
        if given and "DATABASE_URL" not in wanted:
            wanted["DATABASE_URL"] = given
        for name, url in wanted.items():
            try:
                if is_postgres(url) and url not in made:
                    made[url] = self._scratch(url)
            except ScratchError as exc:
                self.notes.append(f"no scratch database could be made for {name}: {exc}")
                continue
            self._given[name] = self._known[name] = made.get(url, url)
            if url in made:
                self.notes.append(f"{name} was a scratch database on {Server.of(url).name}")

    def _scratch(self, url: str) -> str:
        server = Server.of(url)
        if not (self._options.owned or server.is_loopback):
            raise ScratchError(
                f"{server.name} is not this machine: name another server with --database-url, or say "
                "--i-own-this-target"
            )
        made = self._until_the_end.enter_context(scratch(url))
        self._allowed.append(f"127.0.0.1:{urlsplit(made).port}")
        return made

    def _prepare(self) -> None:
        """Bring the copy's database up to date as the project does it, and note what was done."""
        for present, module, arguments in (
            ("alembic.ini", "alembic", ["upgrade", "head"]),
            ("migrations/versions", "stanchion.cli", ["migrate", "--app-dir", str(self._copy.app_dir)]),
        ):
            if (self._copy.root / present).exists():
                command = f"python -m {module} {arguments[0]}"
                try:
                    with self.agent() as agent:
                        self._guard(agent)
                        agent.ask("run_module", name=module, arguments=arguments)
                    self.notes.append(f"ran `{command}` in the copy")
                except AgentError as exc:
                    self.notes.append(f"`{command}` failed in the copy: {exc}")
                return

    def load(self, agent: Agent) -> Loaded:
        """Import the app in the agent, and return what is known of it, or why it is not."""
        self._give_databases()
        self._prepare()
        try:
            self._guard(agent)
            found = agent.ask("load", entry=self._copy.entry, app_dir=str(self._copy.app_dir))
        except AgentError as exc:
            return Loaded(error=str(exc))
        return _LOADED.validate_python(found)

    def serve(self, agent: Agent, document: Document) -> Running:
        """Start the app. Raises NotChecked where it does not start, or may not reach what it needs."""
        try:
            port = agent.ask("serve", fallback=str(self._server()))["port"]
            made = agent.ask("create_tables")
        except AgentError as exc:
            refused = self._refused(agent)
            if not refused and str(exc).startswith(_NOT_STARTED):
                self.not_started = str(exc).removeprefix(_NOT_STARTED)
            why = f"the app does not start: {self.not_started}" if self.not_started else str(exc)
            raise NotChecked(refused or why) from exc
        if made:
            self.notes.append(f"made the tables {', '.join(made)}: nothing else had")
        live = Live(f"http://127.0.0.1:{port}", agent.ask)
        readings = [one for one in document.operations if one.method == "GET" and "{" not in one.path]
        kept = [one.name for one in readings if live.send("GET", one.path, read_for=1).kept]
        refused = self._refused(agent)
        if refused and len(kept) in (0, len(readings)):  # at its start, or whatever it is asked
            live.close()
            raise NotChecked(refused)
        if refused:
            self.notes.append(f"{refused}; what {', '.join(kept)} answers without it proves nothing")
        if files := agent.ask("refused_files"):
            self.notes.append(
                f"the app was kept from writing to {files[0]['target']}: it is outside of the copy"
            )
        return Running(
            document, live, environment=self._known, key=self._options.key, printed=lambda: agent.printed
        )

    def engines(self, variables: Mapping[str, str]) -> list[str]:
        """Import the app in a process of its own, with these variables, and return its engines' URLs.

        Raises NotChecked where that fails; what makes its engines when it starts is started, too.
        """
        given = {**self._given, **variables}
        with Agent(self._copy.python, directory=self._copy.root, environment=given) as agent:
            self._guard(agent)
            found = agent.ask("load", entry=self._copy.entry, app_dir=str(self._copy.app_dir))
            if found["error"]:
                changed = ", ".join(variables)
                raise NotChecked(f"with another {changed} it cannot be imported: {found['error']}")
            if not (urls := agent.ask("engine_urls")):
                agent.ask("serve", fallback=str(self._server()))
                urls = agent.ask("engine_urls")
        return list(urls)

    def _guard(self, agent: Agent) -> None:
        agent.ask("guard", root=str(self._copy.root), allowed=self._allowed)

    def _refused(self, agent: Agent) -> str:
        try:
            found: list[dict[str, Any]] = agent.ask("refused")
        except AgentError:
            return ""
        if not found:
            return ""
        first = found[0]
        place = f" ({first['file']}, line {first['line']})" if first["file"] else ""
        advice = (
            "give it a server with --database-url, or allow it with --allow HOST:PORT if it is there to be "
            "written to"
            if first["what"] == "connection"
            else "let its path come from the environment, or be relative to the project"
        )
        return (
            f"the app's {first['what']} to {first['target']} was refused{place}: the gate writes to nothing "
            f"but a copy; {advice}"
        )

    def _server(self) -> Path:
        """Return a folder with our own uvicorn alone, for a project that has none."""
        folder = self._copy.root.parent / "server"
        folder.mkdir(exist_ok=True)
        for name in _SERVER:
            spec = find_spec(name)
            link = folder / name
            if spec is not None and spec.origin is not None and not link.exists():
                link.symlink_to(Path(spec.origin).parent, target_is_directory=True)
        return folder
