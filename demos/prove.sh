#!/usr/bin/env bash
# Checks a stranger's backend, then does what the gate's curl lines say: a defect, proven and shown.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/../scripts/environment.sh" runtime dev
exec python -m demos.prove
