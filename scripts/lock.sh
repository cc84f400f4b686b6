#!/usr/bin/env bash
# Writes the locks: requirements/*.txt and the pins of the template. Pins stay unless asked: options go to uv,
# `scripts/lock.sh --upgrade` or `scripts/lock.sh --upgrade-package NAME`.
# Why they are as they are: docs/decisions/0001-locks-and-environments.md.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

uv=.dev/lock/bin/uv
if ! [ -x "$uv" ]; then
    "${PYTHON:-python3}" -m venv .dev/lock
    .dev/lock/bin/pip install -qq --disable-pip-version-check uv==0.13.8
fi

compile() { # compile NAME SOURCE...
    local output=requirements/$1.txt
    shift
    echo "scripts/lock.sh: $output" >&2
    "$uv" pip compile --quiet --universal --python-version 3.11 --generate-hashes \
        --no-emit-index-url --no-emit-find-links --no-emit-package stanchion \
        --custom-compile-command scripts/lock.sh --output-file "$output" "$@"
}

# The widest first. The others begin as copies of it, and uv keeps the versions it finds in its output:
# every lock agrees on the packages they share, so one environment can hold them all.
compile dev pyproject.toml --extra check --extra dev --group repository "$@"
for name in runtime build; do
    cp requirements/dev.txt "requirements/$name.txt"
done
compile runtime pyproject.toml --extra postgres
compile build --group build
for name in peers browser docs; do
    compile "$name" --group "$name" --constraints requirements/dev.txt --no-annotate "$@"
done
compile suite --group suite --constraints requirements/runtime.txt --no-annotate "$@"

# A generated project is installed by plain pip: the package itself, then the runtime pins, without hashes.
{
    echo "stanchion[postgres]"
    sed -n 's/^\([a-z0-9].*==.*[^ ]\) *\\$/\1/p' requirements/runtime.txt
} >src/stanchion/template/requirements.txt
