#!/usr/bin/env bash
# The docs page in a real Chromium, without a network, pages of other origins, and a page that follows the feed, on
# both databases. CHROMIUM names the browser where it is not on PATH; as root on Debian it is installed, and curl with
# it. BROWSER_ARTIFACTS names a folder to leave the pictures in; the docs-page.png among them is the README's
# (docs/pictures/). Options go to pytest.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/environment.sh" runtime dev browser docs

missing=()
command -v curl >/dev/null || missing+=(curl)
[ -n "${CHROMIUM:-}" ] || command -v chromium >/dev/null || missing+=(chromium)
if [ ${#missing[@]} != 0 ]; then
    command -v apt-get >/dev/null && [ "$(id -u)" = 0 ] ||
        fail "there is no ${missing[0]}: install it; CHROMIUM=google-chrome $0 names another browser"
    echo "browser.sh: installing Debian's ${missing[*]} ..." >&2
    {
        apt-get update -qq &&
            DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends "${missing[@]}"
    } >.dev/chromium.log 2>&1 || fail "${missing[*]} could not be installed; .dev/chromium.log says why"
fi
browser=$(command -v "${CHROMIUM:-chromium}") || fail "there is no $CHROMIUM: install it, or name another one"
export CHROMIUM=$browser
exec pytest tests/browser "$@"
