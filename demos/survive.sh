#!/usr/bin/env bash
# Kills a server in the middle of a request, twice, and shows what is there afterwards. It takes the URL of an empty
# database, such as postgresql://user:password@host/name; without one it is a SQLite file.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/../scripts/environment.sh" runtime dev
exec python -m demos.survive "$@"
