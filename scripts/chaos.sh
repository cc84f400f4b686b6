#!/usr/bin/env bash
# What kills servers and what takes many thousand requests, on SQLite and PostgreSQL: minutes. Options go to pytest.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/environment.sh" runtime dev
export STANCHION_CHAOS=1 # many thousand generated requests instead of a few hundred
exec pytest tests/chaos tests/contract/test_schemathesis.py --timeout=3600 -o faulthandler_timeout=3700 "$@"
