#!/usr/bin/env bash
# Measures side by side, and prints ratios: a single figure says more of the machine.
#
#   scripts/bench.sh [--quick] [--json FILE] [--write-docs]
#
# First Stanchion beside its peers over HTTP, which the options are for (docs/performance.md says how); then, without
# --quick, each benchmark of one part. One that fails its limit lets the others run; the script then exits with 1.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/environment.sh" runtime dev

# The peers have an environment of their own: what is measured of Stanchion has what its users install, and no more.
peers=$root/.dev/peers
if ! cmp -s requirements/peers.txt "$peers/made-for.peers"; then
    echo "${0##*/}: making the environment of the peers in .dev/peers (once; about half a minute) ..." >&2
    rm -rf "$peers"
    "$python" -m venv "$peers" || fail "$python could not make a virtual environment; the lines above say why"
    "$peers/bin/python" -m pip install -qq --no-deps --no-compile --require-hashes \
        --requirement requirements/peers.txt || fail "the peers could not be installed; the lines above say why"
    cp requirements/peers.txt "$peers/made-for.peers"
fi

status=0
measure() { # measure NAME COMMAND...
    echo
    echo "== $1"
    "${@:2}" || status=1
}

measure "HTTP, beside the peers" python -m benchmarks.http --peers "$peers/bin/python" "$@"
docs=
case " $* " in
*" --quick "* | *" --help "* | *" -h "*) exit "$status" ;;
*" --write-docs "*) docs=--write-docs ;;
esac
measure "flame graphs" python -m benchmarks.http.flames --peers "$peers/bin/python" ${docs:+"$docs"}
measure "start-up" python benchmarks/startup.py --rounds 7
measure "the gate" python benchmarks/gate.py
measure "deep pages" python benchmarks/depth.py
measure "compiled routes" python benchmarks/routing.py
measure "the feed" python benchmarks/feed.py
measure "files in and out" python benchmarks/transfer.py --rows 300000
measure "jobs" python benchmarks/jobs.py --jobs 3000 --peers "$peers/bin/python"
exit "$status"
