# Sourced, `. scripts/environment.sh LOCK...`: makes .dev/venv hold the locks named (requirements/LOCK.txt) and the
# project itself, editable, and puts it first on PATH. It needs python3 with venv and pip's registry, nothing else.
# Leaves $root, the repository, which is also the current directory.
#
# PYTHON names another interpreter. Bytecode goes to .dev/pycache: nothing is ever written beside the sources.
# Why it works this way: docs/decisions/0001-locks-and-environments.md.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root"
venv=$root/.dev/venv
python=${PYTHON:-python3}
described=(pyproject.toml src/stanchion/__init__.py) # the second has the version
unset PYTHONHOME PYTHONPATH PYTHONDONTWRITEBYTECODE
export PYTHONPYCACHEPREFIX=$root/.dev/pycache PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_INPUT=1 PIP_USER=0
[ -w "${HOME:-/nonexistent}" ] || export PIP_NO_CACHE_DIR=1

fail() { # fail SENTENCE
    printf '%s: %s\n' "${0##*/}" "$1" >&2
    exit 1
}

check_python() {
    local other="or name another, as in: PYTHON=python3.12 $0" version
    version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null) ||
        fail "$python does not run here: install Python 3.11 or later, $other"
    "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
        fail "$python is Python $version, and Stanchion needs 3.11 or later: install one, $other"
    "$python" -c 'import ensurepip, venv' 2>/dev/null ||
        fail "$python has no venv module: install it (on Debian the package python3-venv), $other"
}

# What the environment was made from lies in it: made-for, and copies of locks and of what describes the
# project, for cmp to compare.
same() { # same LOCK...: is the environment there, with these locks as they are today?
    local lock
    [ -x "$venv/bin/python" ] && [ "$(cat "$venv/made-for" 2>/dev/null)" = "$python $root" ] || return 1
    for lock; do
        cmp -s "requirements/$lock.txt" "$venv/made-for.$lock" || return 1
    done
}

usable() { # can what is there be added to: not broken off, and of no older lock?
    local made
    same && ! [ -e "$venv/unfinished" ] || return 1
    for made in "$venv"/made-for.*; do
        cmp -s "requirements/${made##*/made-for.}.txt" "$made" || return 1
    done
}

missing() { # missing LOCK...: those of which the environment has nothing yet
    local lock
    for lock; do
        same "$lock" || printf ' %s' "$lock"
    done
}

same_project() { # is the project installed as it describes itself today?
    cat "${described[@]}" | cmp -s - "$venv/project"
}

install_locks() { # install_locks LOCK...
    local lock requirements=()
    for lock; do
        requirements+=(--requirement "requirements/$lock.txt")
    done
    touch "$venv/unfinished"
    # The lock is complete: --no-deps. Python compiles what it imports, when it does: --no-compile.
    "$venv/bin/python" -m pip install -qq --no-deps --no-compile --require-hashes "${requirements[@]}" ||
        fail "the packages could not be installed; the lines above say why; mend that and run $0 again"
    for lock; do
        cp "requirements/$lock.txt" "$venv/made-for.$lock"
    done
    rm "$venv/unfinished"
}

install_project() {
    rm -f "$venv/project"
    "$venv/bin/python" -m pip install -qq --no-deps --no-compile --no-build-isolation --editable . ||
        fail "the project itself could not be installed; the lines above say why; mend that and run $0 again"
    cat "${described[@]}" >"$venv/project"
}

make_environment() { # make_environment LOCK...
    check_python
    mkdir -p .dev
    # One at a time. The descriptor holds the lock, not the process that asked for it.
    exec 9>.dev/environment.lock
    "$python" -c 'import fcntl; fcntl.flock(9, fcntl.LOCK_EX)'
    if ! same "$@"; then
        if usable; then
            echo "${0##*/}: adding to the environment in .dev/venv:$(missing "$@") ..." >&2
        else
            local when="once"
            [ ! -e "$venv" ] || when="again: it is not what the locks name"
            echo "${0##*/}: making the environment in .dev/venv ($when; about half a minute) ..." >&2
            rm -rf "$venv"
            "$python" -m venv "$venv" || fail "$python could not make a virtual environment; the lines above say why"
            printf '%s\n' "$python $root" >"$venv/made-for"
        fi
        install_locks "$@"
    fi
    same_project || install_project
    exec 9>&-
}

if ! { same build "$@" && same_project; }; then
    make_environment build "$@"
fi
export PATH=$venv/bin:$PATH VIRTUAL_ENV=$venv
