#!/usr/bin/env bash
# The docs page in a real Chromium, without a network, and pages of other origins. CHROMIUM names the browser where it
# is not on PATH; as root on Debian it is installed. BROWSER_ARTIFACTS names a folder to leave the pictures in; the
# docs-page.png among them is the README's (docs/pictures/). Options go to pytest.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/environment.sh" runtime dev browser

advice="install it (on Debian the package chromium), or name one, as in CHROMIUM=google-chrome $0"
if [ -z "${CHROMIUM:-}" ] && ! command -v chromium >/dev/null; then
    command -v apt-get >/dev/null && [ "$(id -u)" = 0 ] || fail "there is no chromium: $advice"
    echo "browser.sh: installing Debian's chromium ..." >&2
    { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends chromium; } \
        >.dev/chromium.log 2>&1 || fail "chromium could not be installed; .dev/chromium.log says why"
fi
browser=$(command -v "${CHROMIUM:-chromium}") || fail "there is no ${CHROMIUM:-chromium}: $advice"
export CHROMIUM=$browser
exec pytest tests/browser "$@"
