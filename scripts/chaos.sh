#!/usr/bin/env bash
# What kills servers and what takes many thousand requests, on SQLite and PostgreSQL: minutes. Options go to pytest.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/environment.sh" runtime dev
exec pytest tests/chaos --timeout=3600 "$@"
