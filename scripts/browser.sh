#!/usr/bin/env bash
# The docs page in a real Chromium, without a network. CHROMIUM names the browser where it is not on PATH; as root
# on Debian it is installed. Options go to pytest.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/environment.sh" runtime dev browser

if ! command -v "${CHROMIUM:=chromium}" >/dev/null; then
    if ! command -v apt-get >/dev/null || [ "$(id -u)" != 0 ]; then
        fail "Chromium is needed: install it (on Debian the package chromium), or name one, as in CHROMIUM=google-chrome"
    fi
    echo "browser.sh: installing Debian's chromium ..." >&2
    { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends chromium; } \
        >.dev/chromium.log 2>&1 || fail "chromium could not be installed; .dev/chromium.log says why"
fi
CHROMIUM=$(command -v "$CHROMIUM")
export CHROMIUM
exec pytest tests/browser "$@"
