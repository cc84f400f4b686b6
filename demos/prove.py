"""`stanchion check` proves a defect of a stranger's backend; then its own curl lines show it again.

python -m demos.prove
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from textwrap import indent
from typing import Any

from demos.serving import DemoError, Server, post, run, serving

STRANGER = Path(__file__).parent / "stranger"
RULE = "S07"
PASSWORD = "correct horse battery"


def report(folder: Path) -> Any:
    """Check the stranger's backend, a copy of it, and return the report. Nothing in it knows of Stanchion."""
    output = folder / "report.json"
    command = [sys.executable, "-m", "stanchion.cli", "check", "--quick", "--fail-on", "never"]
    options = ["--path", str(STRANGER), "--python", sys.executable, "--format", "json", "--output"]
    subprocess.run([*command, *options, str(output)], check=True, stdout=subprocess.DEVNULL)
    return json.loads(output.read_text())


def finding(checked: Any) -> Any:
    """Return what the gate found against the rule. Raises DemoError where it has proven nothing."""
    for result in checked["results"]:
        for one in result["findings"]:
            if result["rule"] == RULE and one["verdict"] == "proven":
                return one
    raise DemoError(f"{RULE} was not proven")


def sign_up(server: Server, name: str) -> str:
    """Make an account, and return its token."""
    account = {"username": name, "password": PASSWORD}
    post(f"{server.url}/users", account)
    return str(post(f"{server.url}/login", account)[1]["access_token"])


def show(found: Any, folder: Path) -> None:
    """Do what the lines say: the first as Ada, the second as Bob. Raises DemoError unless Bob reads it."""
    written, read = found["curl"].splitlines()
    with serving(STRANGER, folder) as server:
        ada, bob = sign_up(server, "ada"), sign_up(server, "bob")
        status, note = run(written, server, API_KEY=ada)
        print(f"Ada writes a note, with the first line:\n    {status} {json.dumps(note)}")
        theirs = read.replace(read.split()[2].rpartition("/")[2], str(note["id"]), 1)
        status, answer = run(theirs, server, OTHER_API_KEY=bob)
        print(f"Bob asks for it, with the second line and his own token:\n    {status} {json.dumps(answer)}")
    if (status, answer) != (200, note):
        raise DemoError("Bob was kept out")


def main() -> None:
    """Tell the story, and end with 1 where it is not so."""
    print(f"A backend for private notes: {STRANGER.relative_to(Path.cwd())}/main.py. Not one of ours.")
    print(
        "Whoever lists the notes gets their own. Is a note out of reach of others? stanchion check --quick:\n"
    )
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        checked = report(folder)
        found = finding(checked)
        print(f"  {checked['score']} of 100. {RULE}, critical, proven: {found['message']}")
        print(f"  {found['operation']}, {found['file']}:{found['line']}. The gate made two accounts and saw")
        print(indent(found["evidence"], "    "))
        print("  and it names the lines that show it again, with the tokens of both:")
        print(indent(found["curl"], "    "))
        print("\nNow the same backend for real, with an empty database and two people.")
        show(found, folder)
    print("\nSo it is: Bob has read what is Ada's alone. The advice: " + found["advice"])


if __name__ == "__main__":
    try:
        main()
    except DemoError as exc:
        sys.exit(f"It is not so: {exc}.")
