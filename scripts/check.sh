#!/usr/bin/env bash
# Checks everything that is not a test, and how much the tests cover. It stops at the first failure and says what to
# run. The last step, coverage, judges the last run of scripts/test.sh --cov, and makes one first where the sources or
# tests have changed since; --quick leaves that step out, and tries the wheel on one Python alone.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/environment.sh" runtime dev

quick=${1:-}
case "$quick" in
"" | --quick) ;;
*) fail "there is no option $1; the only one is --quick" ;;
esac
temporary=$(mktemp -d)
trap 'rm -rf "$temporary"' EXIT

step() { # step NAME ADVICE COMMAND...
    local name=$1 advice=$2
    shift 2
    echo "== $name"
    "$@" || fail "$name: failed; $advice"
}

types_of() { # types_of FOLDER: of an app of its own, whose modules are top-level names
    (cd "$1" && MYPYPATH=. mypy --config-file "$root/pyproject.toml" \
        --cache-dir "$root/.mypy_cache/$(basename "$1")" --explicit-package-bases .)
}

types_of_docs() { # the guide begins with what has none
    local app
    for app in docs/guide/steps/[2-9]_* docs/leaving/with docs/leaving/without; do
        types_of "$app" || return 1
    done
}

package() {
    python -m build --no-isolation --outdir "$temporary" . >"$temporary/log" 2>&1 || {
        cat "$temporary/log"
        return 1
    }
    python scripts/package.py "$temporary"
}

installed() {
    python scripts/installed.py ${quick:+"$quick"} "$temporary"
}

absent() { # absent OPTIONS: does git find nothing? A search that could not run is no answer.
    local status=0
    git grep --untracked "$@" || status=$?
    [ "$status" = 1 ]
}

addresses() { # no registry's address, no path of the machine at hand; brackets keep a pattern from finding itself
    absent -nIE -e 'pypi[.]org/simpl[e]|files[.]pythonhosted[.]or[g]|registry[.]npmjs[.]or[g]' \
        -e '(--extra-index-url|--index-url|--find-links)[ =][^ ]' -e '^(extra-)?index-url *=' \
        -e '(^|[^[:alnum:]_.~])/(roo[t]|home/[a-z]+|Users/[A-Za-z]+)/' || return 1
    absent -nIF -e "$root/" || return 1
    if git ls-files --cached --others --exclude-standard | grep -E '(^|/)uv[.]lock$'; then
        return 1
    fi
}

coverage_of_tests() {
    if ! [ -e .coverage ] || [ -n "$(find src tests pyproject.toml requirements -newer .coverage -type f \
        -not -path '*/__pycache__/*' -print -quit)" ]; then
        scripts/test.sh --cov || fail "tests: failed; run: scripts/test.sh"
    fi
    coverage report
}

step "format" "run: .dev/venv/bin/ruff format" ruff format --check .
step "lint" "run: .dev/venv/bin/ruff check --fix" ruff check .
step "types" "run: .dev/venv/bin/mypy" mypy
step "types of the template" "mend the lines above, then run: scripts/check.sh --quick" types_of src/stanchion/template
step "types of the docs' apps" "mend the lines above, then run: scripts/check.sh --quick" types_of_docs
step "layers" "mend the imports above, then run: .dev/venv/bin/lint-imports" lint-imports --no-logo
step "package" "mend what is said above, then run: scripts/check.sh --quick" package
step "installed" "mend what is said above, then run: scripts/check.sh --quick" installed
step "gate" "mend what is found above, then run: stanchion check" python scripts/gate.py
step "routes" "mend what is found above, then run: scripts/suite.py --quick" python scripts/suite.py --quick
step "addresses" "take them out of the lines above, then run: scripts/check.sh --quick" addresses
if [ "$quick" != --quick ]; then
    step "coverage" "cover the lines above, then run: scripts/check.sh" coverage_of_tests
fi
echo "== all is well"
