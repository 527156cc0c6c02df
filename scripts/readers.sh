#!/bin/sh
# Makes ready what card readers need: the PC/SC service, a virtual reader for the tests, a software
# token (SoftHSM) for keys, and pyscard, which is built here: it comes without wheels for Linux.
#
# As root, with apt-get, what is missing is installed; anyone else is told what to ask for, and
# readers are left out. Where every check has to run (CI) that is an error.
set -eu
cd "$(dirname "$0")/.."
python=.venv/bin/python

say() { printf 'readers: %s\n' "$*"; }
leave_out() {
    printf 'readers: %s\n' "$@" "card readers are left out; all else works." >&2
    [ -z "${CI:-}" ]
    exit
}

# What of Debian is missing: the packages by name, and the headers of the Python that .venv is of.
missing() {
    for package in gcc libc6-dev libpcsclite-dev pcscd softhsm2 swig vsmartcard-vpcd; do
        case $(dpkg-query --show --showformat='${db:Status-Status}' "$package" 2>/dev/null) in
            installed) ;;
            *) printf '%s ' "$package" ;;
        esac
    done
    "$python" -c 'import os, sys, sysconfig
headers = os.path.join(sysconfig.get_path("include"), "Python.h")
sys.exit(not os.path.exists(headers))' || printf 'python3-dev '
}

# Debian starts a service when it installs it. Ours is for tests, which start their own: who wants
# it to run enables it.
install() {
    policy=/usr/sbin/policy-rc.d
    if [ ! -e "$policy" ]; then
        trap 'rm -f "$policy"' EXIT
        trap 'exit 130' INT TERM
        printf '#!/bin/sh\nexit 101\n' >"$policy"
        chmod +x "$policy"
    fi
    export DEBIAN_FRONTEND=noninteractive
    apt-get -qq update
    apt-get -qq install --yes --no-install-recommends "$@" >/dev/null
}

# One package's entry in the lock, with its hashes.
locked() { sed -n "/^$1==/,/[^\\\\]\$/p" requirements-extras.lock; }

# Compared by name and version alone, so that nothing is built when it is there already.
built() {
    pin=$(locked pyscard | sed -n '1s/pyscard==\([^ ]*\).*/\1/p')
    "$python" -c 'import sys
from importlib import metadata
try:
    from smartcard import scard
except ImportError:
    sys.exit(1)
sys.exit(metadata.version("pyscard") != sys.argv[1])' "$pin" 2>/dev/null
}

command -v dpkg-query >/dev/null || leave_out \
    "this is no Debian; PC/SC (pcscd, its headers), vsmartcard, swig and a compiler are needed."
packages=$(missing)
if [ -n "$packages" ] && [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null; then
    say "installing Debian's $packages"
    # shellcheck disable=SC2086  # they are words
    (install $packages) || say "apt-get did not install them." >&2
    packages=$(missing)
fi
[ -z "$packages" ] || leave_out \
    "missing on this machine: $packages" \
    "Install them once as root:  apt-get install $packages"

if ! built; then
    say "building pyscard."
    wanted=$(mktemp)
    trap 'rm -f "$wanted"' EXIT
    pip() { "$python" -m pip --disable-pip-version-check --no-input --quiet "$@"; }
    # What builds it is locked too: an isolated build would fetch whatever is newest.
    locked setuptools >"$wanted"
    pip install --no-deps --only-binary=:all: --require-hashes -r "$wanted"
    locked pyscard >"$wanted"
    pip install --no-deps --no-binary=pyscard --no-build-isolation --require-hashes -r "$wanted" ||
        leave_out "pyscard could not be built."
    built || leave_out "pyscard was built, and does not load."
fi
say "ready."
