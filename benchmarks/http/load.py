"""Load on a server: by wrk where it is installed, else by the client of our own."""

import json
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from benchmarks.http.cores import Cores, pinning
from benchmarks.http.operations import Operation
from benchmarks.http.serving import Server

ROOT = Path(__file__).parents[2]
_SLACK = 60.0

WRK = """
local at, count = 0, #requests
request = function()
    at = at % count + 1
    return requests[at]
end
done = function(summary, latency)
    local failed = summary.errors
    io.stderr:write(string.format(
        '{"requests": %d, "seconds": %f, "p50_ms": %f, "p99_ms": %f, "errors": %d}',
        summary.requests, summary.duration / 1e6, latency:percentile(50) / 1e3, latency:percentile(99) / 1e3,
        failed.status + failed.connect + failed.read + failed.write + failed.timeout))
end
"""


@dataclass(frozen=True)
class Figures:
    """What a load came to: requests that were answered, seconds, milliseconds, and answers other than 2xx."""

    requests: int
    seconds: float
    p50_ms: float
    p99_ms: float
    errors: int


class Driver:
    """Puts load on servers, from `cores`. `name` is "wrk" or "python"; None takes wrk where it is."""

    def __init__(self, cores: Cores | None, name: str | None = None) -> None:
        self.name = name or ("wrk" if shutil.which("wrk") else "python")
        self._cores = cores

    def drive(self, server: Server, operation: Operation, seconds: float) -> Figures:
        """Ask for `seconds`."""
        requests = operation.requests(server.headers)
        command = self._wrk if self.name == "wrk" else self._client
        return Figures(**json.loads(command(requests, server.port, operation.connections, seconds)))

    def _wrk(self, requests: list[str], port: int, connections: int, seconds: float) -> str:
        whole = max(1, round(seconds))  # wrk knows no fractions
        with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
            # JSON's escapes are Lua's, for what requests hold: quotes, CR and LF.
            script.write(f"requests = {{{', '.join(map(json.dumps, requests))}}}\n{WRK}")
            script.flush()
            options = ["-t1", f"-c{connections}", f"-d{whole}s", "--timeout", "30s", "-s", script.name]
            ran = self._run(["wrk", *options, f"http://127.0.0.1:{port}"], "", whole)
        return ran.stderr

    def _client(self, requests: list[str], port: int, connections: int, seconds: float) -> str:
        command = [sys.executable, "-m", "benchmarks.http.client", str(port), str(connections), str(seconds)]
        return self._run(command, json.dumps(requests), seconds).stdout

    def _run(self, command: list[str], sent: str, seconds: float) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command,
            input=sent,
            capture_output=True,
            text=True,
            check=True,
            cwd=ROOT,
            timeout=seconds + _SLACK,
            preexec_fn=pinning(self._cores),
        )
