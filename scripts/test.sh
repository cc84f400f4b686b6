#!/usr/bin/env bash
# Runs the tests: `scripts/test.sh [--quick] [options of pytest]`. Without either it runs every test, on SQLite and
# PostgreSQL, and leaves .coverage for scripts/check.sh to judge. --quick runs what needs neither PostgreSQL nor time.
# Both use two processes (-n 0 after --quick: one). The other kinds have scripts of their own: chaos.sh, browser.sh.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/environment.sh" runtime dev

parallel=(-n 2 --dist worksteal)
if [ "${1:-}" = --quick ]; then
    shift
    exec pytest "${parallel[@]}" -m "not postgres and not slow" "$@"
elif [ $# -gt 0 ]; then
    exec pytest "$@"
fi

# Only a full run that passed leaves its data; no report here, so that pytest's own line is the last.
rm -f .coverage .coverage.*
status=0
pytest "${parallel[@]}" --cov --cov-report= --cov-fail-under=0 || status=$?
[ "$status" = 0 ] || rm -f .coverage
exit "$status"
