"""The server under reload: started again after each change of a file."""

import multiprocessing
import signal
import socket
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from uvicorn import Server
from uvicorn.supervisors.basereload import HANDLED_SIGNALS
from uvicorn.supervisors.watchfilesreload import WatchFilesReload
from watchfiles import watch

from stanchion.cli import server
from stanchion.cli.process import REFUSED, AppConfig


def serve(app_dir: Path, listener: socket.socket, announcement: str) -> None:
    """Serve `main:app`, again after each change, until Ctrl-C; exits with 1 where its settings are wrong."""
    config = server.configured(
        app_dir,
        reload=True,
        reload_dirs=sorted({str(app_dir), str(Path.cwd())}),
        reload_includes=[".env"],
        timeout_graceful_shutdown=2,
        proxy_headers=False,
        announcement=announcement,
    )
    config.compared = app_dir
    supervisor = _Reload(config, Server(config).run, [listener])
    supervisor.run()
    if supervisor.refused:
        sys.exit(1)


def _environments(directories: list[Path]) -> list[Path]:
    """Return the virtual environments that lie in these directories (PEP 405)."""
    return [marker.parent for directory in directories for marker in directory.glob("*/pyvenv.cfg")]


class _Reload(WatchFilesReload):
    """Uvicorn's reloader, which ends when the first server is refused its settings.

    Later ones it survives: the person is editing, and the next change starts another.
    """

    config: AppConfig

    def __init__(
        self,
        config: AppConfig,
        target: Callable[[list[socket.socket] | None], None],
        sockets: list[socket.socket],
    ) -> None:
        super().__init__(config, target, sockets)
        # A `pip install` beside it is no change of the backend.
        self.watch_filter.exclude_dirs += _environments(config.reload_dirs)
        self.refused = False
        self.watcher = watch(
            *self.reload_dirs,
            watch_filter=None,
            stop_event=self.should_exit,
            rust_timeout=50,
            yield_on_timeout=True,
            ignore_permission_denied=True,
        )

    def startup(self) -> None:
        if sys.platform == "linux" and threading.active_count() == 1:
            self._fork()
        else:
            super().startup()
        next(self.watcher, None)  # it watches from now on, while the server loads
        threading.Thread(target=self._watch_first, args=(self.process,), daemon=True).start()

    def restart(self) -> None:
        if self.process.is_alive():  # it was loaded, and announced
            self.config.announcement = ""
        super().restart()

    def _fork(self) -> None:
        """Start the first server as a copy of this process, which has loaded a fifth of what it needs.

        Not the later ones: by then a thread watches the files, and a process with threads must not be copied.
        """
        first: Any = multiprocessing.get_context("fork").Process(
            target=server.run, args=(self.config, self.sockets)
        )
        first.start()
        self.process = first
        # After the copy was made, which must not be deaf to these while it loads.
        for number in HANDLED_SIGNALS:
            signal.signal(number, self.signal_handler)

    def _watch_first(self, first: Any) -> None:
        first.join()
        if self.process is first and first.exitcode == REFUSED:
            self.refused = True
            self.should_exit.set()
