"""Scratch databases on PostgreSQL: made for one check, behind a door of their own, and dropped after it."""

import asyncio
import re
import secrets
import select
import socket
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit

import asyncpg

from stanchion.gate.site import is_loopback

_POSTGRES = re.compile(r"postgres(ql)?(\+\w+)?://")
_PATIENCE = 5.0
"""Seconds until a server that does not answer is given up."""
_CHUNK = 1 << 16


class ScratchError(Exception):
    """No scratch database could be made; the message says why."""


def is_postgres(url: str) -> bool:
    """Tell whether it is the URL of a PostgreSQL database, as SQLAlchemy or libpq writes it."""
    return _POSTGRES.match(url) is not None


@dataclass(frozen=True)
class Server:
    """The server of a URL, and what is needed to enter. `host` may be the folder of a local socket."""

    host: str
    port: int
    user: str | None
    password: str | None
    database: str
    tls: str

    @classmethod
    def of(cls, url: str) -> "Server":
        """Read it from a URL. Raises ScratchError where that names no single server."""
        try:
            parts = urlsplit(url)
            options = dict(parse_qsl(parts.query))
            host = parts.hostname or options.get("host", "")
            port = int(options.get("port", 0)) or parts.port or 5432
        except ValueError as exc:
            raise ScratchError(f"its URL cannot be read ({exc})") from exc
        if not host or "," in host:
            raise ScratchError("its URL names no host" if not host else "its URL names several hosts")
        user, password = (value and unquote(value) for value in (parts.username, parts.password))
        database = unquote(parts.path[1:]) or user or "postgres"
        tls = options.get("sslmode") or options.get("ssl") or "prefer"
        return cls(host, port, user, password, database, tls)

    @property
    def name(self) -> str:
        """Return `127.0.0.1:5432`."""
        return f"{self.host}:{self.port}"

    @property
    def is_loopback(self) -> bool:
        """Tell whether it is on this machine."""
        return self.host.startswith("/") or is_loopback(self.host)

    def connect(self) -> socket.socket:
        """Return a connection to the server. Raises OSError."""
        if not self.host.startswith("/"):
            made = socket.create_connection((self.host, self.port), _PATIENCE)
            made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        else:
            made = socket.socket(socket.AF_UNIX)
            made.connect(f"{self.host}/.s.PGSQL.{self.port}")
        made.settimeout(None)
        return made

    def run(self, statement: str) -> None:
        """Run one statement outside a transaction. Raises ScratchError."""

        async def run() -> None:
            connection = await self._enter(self.database)
            try:
                await connection.execute(statement)
            finally:
                await connection.close()

        try:
            asyncio.run(run())
        except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError, ValueError) as exc:
            raise ScratchError(f"{self.name}: {str(exc) or type(exc).__name__}") from exc

    async def _enter(self, database: str) -> Any:
        try:
            return await self._entered(database)
        except asyncpg.InvalidCatalogNameError:  # the app's own is not there yet
            return await self._entered("postgres")

    async def _entered(self, database: str) -> Any:
        return await asyncpg.connect(
            host=self.host,
            port=self.port,
            user=self.user,
            password=self.password,
            database=database,
            ssl=None if self.host.startswith("/") else self.tls,
            timeout=_PATIENCE,
        )


@contextmanager
def scratch(url: str) -> Iterator[str]:
    """Make an empty database on the server of this URL, and give the URL to reach it by; drop it afterwards.

    The URL is of a port of this process, which leads to that server: so an app that goes to the
    server by its own address can be refused. Raises ScratchError.
    """
    server = Server.of(url)
    name = f"stanchion_check_{secrets.token_hex(6)}"
    server.run(f'CREATE DATABASE "{name}"')
    try:
        with _door(server) as port:
            yield _readdressed(url, port, name)
    finally:
        with suppress(ScratchError):  # the server has gone, and what was found is worth more
            server.run(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


def _readdressed(url: str, port: int, database: str) -> str:
    """Return the URL with another address and database, and the same driver, user and options."""
    parts = urlsplit(url)
    login = parts.netloc.rpartition("@")[0]
    options = [(key, value) for key, value in parse_qsl(parts.query) if key not in ("host", "port")]
    address = f"{login}@127.0.0.1:{port}" if login else f"127.0.0.1:{port}"
    return parts._replace(netloc=address, path=f"/{quote(database)}", query=urlencode(options)).geturl()


class _Door(socketserver.ThreadingTCPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, server: Server) -> None:
        super().__init__(("127.0.0.1", 0), _Passage)
        self.leads_to = server


class _Passage(socketserver.BaseRequestHandler):
    """One connection through the door: bytes both ways, until either side ends."""

    server: _Door
    request: socket.socket

    def handle(self) -> None:
        self.request.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with suppress(OSError), self.server.leads_to.connect() as there:
            other = {self.request: there, there: self.request}
            while True:
                for one in select.select(list(other), [], [])[0]:
                    data = one.recv(_CHUNK)
                    if not data:
                        return
                    other[one].sendall(data)


@contextmanager
def _door(server: Server) -> Iterator[int]:
    with _Door(server) as door:
        thread = threading.Thread(target=door.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        try:
            yield door.server_address[1]
        finally:
            door.shutdown()
            thread.join()
