#!/usr/bin/env bash
# Builds the docs as a site in .dev/docs/site, offline and strictly: a link that leads nowhere fails it. Open its
# index.html, or `scripts/docs.sh --serve` (PORT, 8002); --test first runs what the pages and the demonstrations say,
# from the first line to the last. The pages are docs/, the skill, and what scripts/reference.py makes of
# docstrings; the engine, and why it can be another, is in docs/decisions/0017-the-site.md.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/environment.sh" runtime dev docs

case "${1:-}" in
"" | --serve) ;;
--test) pytest -n 3 --timeout=300 tests/docs ;;
*) fail "there is no option $1; there are --test and --serve" ;;
esac
folder=$root/.dev/docs
mkdir -p "$folder"
PYTHONPATH=$root python scripts/docs.py "$folder" >"$folder/log" 2>&1 || {
    cat "$folder/log" >&2
    fail "the site could not be built; mend what the lines above say and run $0 again"
}
echo "${0##*/}: $(find "$folder/site" -name '*.html' | wc -l) pages in .dev/docs/site; open its index.html" >&2
if [ "${1:-}" = --serve ]; then
    port=${PORT:-8002}
    if (: <>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then
        fail "port $port is taken: try \`PORT=$((port + 1)) $0 --serve\`"
    fi
    echo "${0##*/}: http://127.0.0.1:$port; Ctrl-C ends it" >&2
    exec python -m http.server "$port" --bind 127.0.0.1 --directory "$folder/site"
fi
