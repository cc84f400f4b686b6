"""Drivers that connect in C, where no audit hook sees them: they are asked when they are imported."""

import functools
import importlib.util
import sys
from collections.abc import Callable
from importlib.abc import MetaPathFinder
from types import ModuleType
from typing import Any

from . import guard

OPAQUE = ("MySQLdb", "ibm_db", "oracledb", "pymssql", "pyodbc")
"""What they connect to cannot be read: they are allowed by their names, or not at all."""


def install() -> None:
    """See to it that each of these modules asks the guard, those too that are here already."""
    if any(isinstance(one, _Finder) for one in sys.meta_path):
        return
    for name in _CHANGES:
        if name in sys.modules:
            _CHANGES[name](sys.modules[name])
    sys.meta_path.insert(0, _Finder())


class _Finder(MetaPathFinder):
    def __init__(self) -> None:
        self._looking: set[str] = set()

    def find_spec(self, fullname: str, path: Any = None, target: Any = None) -> Any:
        if fullname not in _CHANGES or fullname in self._looking:
            return None
        self._looking.add(fullname)
        try:
            spec = importlib.util.find_spec(fullname)
        finally:
            self._looking.discard(fullname)
        if spec is not None and spec.loader is not None:
            execute = spec.loader.exec_module

            def exec_module(module: ModuleType) -> None:
                execute(module)
                _CHANGES[fullname](module)

            spec.loader.exec_module = exec_module  # type: ignore[method-assign]  # this loader alone
        return spec


def _asking(function: Callable[..., Any], ask: Callable[..., None]) -> Callable[..., Any]:
    """Return the function, with `ask` called first with the same arguments."""

    @functools.wraps(function)
    def asked(*arguments: Any, **options: Any) -> Any:
        ask(*arguments, **options)
        return function(*arguments, **options)

    return asked


def _psycopg2(module: Any) -> None:
    def ask(dsn: str | None = None, *_: Any, **options: Any) -> None:
        named = {name: value for name, value in options.items() if name in ("host", "hostaddr", "port")}
        extensions = sys.modules["psycopg2.extensions"]
        _libpq({**(extensions.parse_dsn(dsn) if dsn else {}), **named})

    module.connect = _asking(module.connect, ask)


def _psycopg(module: Any) -> None:
    def ask(_: Any, conninfo: str = "", **options: Any) -> None:
        named = {name: value for name, value in options.items() if name in ("host", "hostaddr", "port")}
        _libpq({**sys.modules["psycopg.conninfo"].conninfo_to_dict(conninfo), **named})

    for one in (module.Connection, module.AsyncConnection):
        one.connect = classmethod(_asking(one.connect.__func__, ask))
    module.connect = module.Connection.connect


def _libpq(options: dict[str, Any]) -> None:
    """Ask for each host that libpq would try."""
    hosts = str(options.get("hostaddr") or options.get("host") or "").split(",")
    ports = str(options.get("port") or 5432).split(",")
    for number, host in enumerate(hosts):
        port = ports[min(number, len(ports) - 1)] or 5432
        guard.ask(host or "the local socket of PostgreSQL", int(port))


def _uvloop(module: Any) -> None:
    def to_host(_: Any, protocol: Any, host: Any = None, port: Any = None, **options: Any) -> None:
        if options.get("sock") is None:
            guard.ask(str(host), int(port))

    def to_path(_: Any, protocol: Any, path: Any = None, **options: Any) -> None:
        if options.get("sock") is None:
            guard.ask(str(path))

    def to_address(_: Any, sock: Any, address: Any) -> None:
        guard.ask(str(address[0]), int(address[1])) if isinstance(address, tuple) else guard.ask(str(address))

    def to_remote(_: Any, protocol: Any, local_addr: Any = None, remote_addr: Any = None, **o: Any) -> None:
        if remote_addr is not None:
            guard.ask(str(remote_addr[0]), int(remote_addr[1]))

    for name, ask in (
        ("create_connection", to_host),
        ("create_unix_connection", to_path),
        ("sock_connect", to_address),
        ("create_datagram_endpoint", to_remote),
    ):
        setattr(module.Loop, name, _asking(getattr(module.Loop, name), ask))


def _duckdb(module: Any) -> None:
    def ask(database: Any = ":memory:", *_: Any, **__: Any) -> None:
        guard.open_file(database)

    module.connect = _asking(module.connect, ask)


def _opaque(module: Any) -> None:
    def ask(*_: Any, **options: Any) -> None:
        guard.ask(module.__name__)

    for name in ("connect", "Connect", "Connection", "connect_async", "pconnect"):
        if callable(getattr(module, name, None)):
            setattr(module, name, _asking(getattr(module, name), ask))


_CHANGES: dict[str, Callable[[Any], None]] = {
    "psycopg2": _psycopg2,
    "psycopg": _psycopg,
    "uvloop": _uvloop,
    "duckdb": _duckdb,
    **dict.fromkeys(OPAQUE, _opaque),
}
