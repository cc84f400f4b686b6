#!/usr/bin/env bash
# Serves the template: makes the environment (once), then hands over to `stanchion dev`, which takes the options.
# Its state, .env and the SQLite file, lies in .dev/.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/environment.sh" runtime
cd .dev
# What its advice names, such as another port, is asked for by this script: PORT=8001 scripts/run_dev.sh.
export STANCHION_STARTED_BY=$0
exec stanchion dev --app-dir "$root/src/stanchion/template" "$@"
