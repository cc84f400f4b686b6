"""Judge a report of `stanchion check --format json`: nothing found, and nearly all of it verified.

python scripts/gate.py REPORT
"""

import json
import sys
from pathlib import Path

VERIFIED = 0.95


def main() -> None:
    """Print what the report came to; exit with 1 where that is not clean."""
    report = json.loads(Path(sys.argv[1]).read_text())
    findings = [
        f"{result['rule']} {finding['verdict']}: {finding['message']}"
        for result in report["results"]
        for finding in result["findings"]
        if finding["verdict"] != "disproven"
    ]
    print(
        f"score {report['score']}, {report['verified']:.0%} of the rules verified, {len(findings)} findings"
    )
    for finding in findings:
        print(f"  {finding}")
    if findings or report["score"] != 100 or report["verified"] < VERIFIED:
        sys.exit(1)


if __name__ == "__main__":
    main()
