#!/usr/bin/env bash
# Measures side by side, and prints ratios: a single figure says more of the machine. Options go to the first benchmark.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/environment.sh" runtime dev
python benchmarks/startup.py "$@"
python benchmarks/gate.py
python benchmarks/depth.py
python benchmarks/feed.py
python benchmarks/transfer.py
python benchmarks/jobs.py
