#!/bin/sh
# Makes .venv with everything in it: the locked packages, then this project, editable.
#
# A plain Debian has python3 without its venv module; as root that is installed here, anyone else
# is told what to ask for. Every locked package comes as a wheel, so no compiler is needed; for card
# readers, which are left out where that cannot be, scripts/readers.sh gets more.
set -eu
cd "$(dirname "$0")/.."
python=${PYTHON:-python3}
venv=.venv

say() { printf 'setup: %s\n' "$*"; }
stop() {
    printf 'setup: %s\n' "$@" >&2
    exit 1
}

has_venv() { "$python" -c 'import ensurepip, venv' 2>/dev/null; }

command -v "$python" >/dev/null || stop "$python not found; Python 3.11 or newer is needed."
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || stop \
    "Python 3.11 or newer is needed, and $python is $("$python" -V 2>&1)." \
    "Name another one: make setup PYTHON=python3.12"

if ! has_venv; then
    if [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null; then
        say "Python's venv module is missing; installing Debian's python3-venv."
        export DEBIAN_FRONTEND=noninteractive
        apt-get -qq update
        apt-get -qq install --yes --no-install-recommends python3-venv >/dev/null
    fi
    has_venv || stop \
        "Python's venv module is missing. Debian ships it apart from python3." \
        "Install it once as root:  apt-get install python3-venv" \
        "and run this again."
fi

# A folder left by an interrupted set-up, or by a Python since removed, is made anew.
if ! "$venv/bin/python" -m pip --version >/dev/null 2>&1; then
    say "making $venv with $("$python" -V)."
    "$python" -m venv --clear "$venv"
fi

pip() { "$venv/bin/python" -m pip --disable-pip-version-check --no-input --quiet "$@"; }

say "installing the locked packages; the first time takes a minute or two."
# The lock is complete, so nothing is resolved: older pips look past it for a package with extras.
pip install --no-deps --only-binary=:all: --require-hashes -r requirements.lock
pip install --no-deps --no-build-isolation --editable .
problems=$("$venv/bin/python" -m pip check) || stop "the lock does not fit pyproject.toml:" \
    "$problems" "make lock resolves it anew."
sh scripts/readers.sh
say "ready."
