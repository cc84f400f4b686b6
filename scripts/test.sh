#!/usr/bin/env bash
# Runs the tests: `scripts/test.sh [--quick | --cov] [options of pytest]`. Without any it runs every test of the code, on SQLite
# and PostgreSQL; --cov does so too, and leaves .coverage for scripts/check.sh to judge, which takes twice as long.
# --quick runs what needs neither PostgreSQL nor time. All use several processes (-n 0 after --quick: one). The other
# kinds have scripts of their own: docs.sh --test, chaos.sh, browser.sh.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/environment.sh" runtime dev

# In memory, where there is plenty. A commit waits for its disk, and a disk that stalls (90 s were seen) is no
# failure of a test; what is to survive one is for scripts/chaos.sh.
in_memory() {
    local room
    room=$(df -Pk /dev/shm 2>/dev/null | awk 'NR == 2 { print $4 }')
    [ "${room:-0}" -gt $((4 << 20)) ] && folder=$(mktemp -d /dev/shm/stanchion-tests.XXXXXX) || return
    chmod 711 "$folder" # the server of PostgreSQL, which is another user, may enter it
    trap 'rm -rf "$folder"' EXIT
    printf '#!/bin/sh\n' >"$folder/program" && chmod +x "$folder/program"
    if "$folder/program" 2>/dev/null; then export TMPDIR=$folder; fi
}
in_memory || true

parallel=(-n 3 --dist worksteal) # of two processors one would wait for what tests start
if [ "${1:-}" = --quick ]; then
    shift
    pytest "${parallel[@]}" -m "not postgres and not slow" "$@"
    exit
elif [ $# = 0 ]; then
    pytest "${parallel[@]}"
    exit
elif [ "$*" != --cov ]; then
    pytest "$@"
    exit
fi

# Only a full run that passed leaves its data; no report here, so that pytest's own line is the last.
rm -f .coverage .coverage.*
status=0
ROOT=$root pytest "${parallel[@]}" --cov --cov-report= --cov-fail-under=0 || status=$?
[ "$status" = 0 ] || rm -f .coverage
exit "$status"
