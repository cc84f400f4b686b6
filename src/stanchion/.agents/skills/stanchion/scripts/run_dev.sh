#!/bin/sh
# Serves the backend in the current directory with reload: hands over to `stanchion dev`, which takes the options,
# of the project's own environment or else of PATH.
set -eu
if [ -x .venv/bin/stanchion ]; then
    exec .venv/bin/stanchion dev "$@"
fi
if ! command -v stanchion >/dev/null; then
    echo 'stanchion is not installed here: run `python3 -m venv .venv && .venv/bin/pip install -e ".[dev]"`.' >&2
    exit 1
fi
exec stanchion dev "$@"
