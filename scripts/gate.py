"""Put a new project and the template, on SQLite and on PostgreSQL, through the project's own gate.

Each must come to a score of 100 with nothing found, and nearly all of the rules that apply verified.

python scripts/gate.py
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

from stanchion.testing import postgres

TEMPLATE = Path(__file__).parents[1] / "src" / "stanchion" / "template"
SECRET = "st_ab2cd3ef_0123456789abcdefghijklmnopqrstuvwxyzABCDEFG"
VERIFIED = 0.95


def is_clean(name: str, folder: Path, **variables: str) -> bool:
    """Check a project, and print what that came to."""
    with tempfile.TemporaryDirectory() as temporary:
        output = Path(temporary) / "report.json"
        environment = [f"--env={key}={value}" for key, value in variables.items()]
        run(
            "check",
            "--path",
            folder,
            "--python",
            sys.executable,
            "--format",
            "json",
            *environment,
            "--output",
            output,
            "--fail-on",
            "never",
        )
        report = json.loads(output.read_text())
    findings = [
        f"{result['rule']} {finding['verdict']}: {finding['message']}"
        for result in report["results"]
        for finding in result["findings"]
        if finding["verdict"] != "disproven"
    ]
    print(
        f"{name}: score {report['score']}, {report['verified']:.0%} of the rules verified, "
        f"{len(findings)} findings, {report['seconds']:.1f} s"
    )
    for finding in findings:
        print(f"  {finding}")
    for result in report["results"]:
        if result["applies"] and not result["verified"]:
            print(f"  {result['rule']} not checked: {result['reason']}")
    return not findings and report["score"] == 100 and report["verified"] >= VERIFIED


def run(*arguments: str | Path, folder: Path | None = None) -> None:
    """Run `stanchion` to its end."""
    command = [sys.executable, "-m", "stanchion.cli", *map(str, arguments)]
    subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL)


def main() -> None:
    """Check all three; exit with 1 where one is not clean."""
    settings = {"ENVIRONMENT": "test", "API_KEY": SECRET}
    with tempfile.TemporaryDirectory() as temporary, postgres.server() as server:
        run("init", "shop", folder=Path(temporary))
        shop = Path(temporary) / "shop"
        for command in (["init", "-q"], ["add", "."]):
            subprocess.run(["git", *command], cwd=shop, check=True)
        clean = [
            is_clean("a new project", shop),
            is_clean("the template", TEMPLATE, DATABASE_URL="sqlite:///./todo.db", **settings),
            is_clean("on PostgreSQL", TEMPLATE, DATABASE_URL=server.create_database(), **settings),
        ]
    sys.exit(not all(clean))


if __name__ == "__main__":
    main()
