#!/bin/sh
# Makes ready what tests/node_client needs: Node.js, npm, and the two packages in its lock.
#
# That client is written in another language than all else here, from docs/protocol.md alone. As
# root a missing Node.js is installed; anyone else is told what to ask for, and the tests that need
# it are left out. Where every check has to run (CI) that is an error.
set -eu
cd "$(dirname "$0")/.."
client=tests/node_client

say() { printf 'node client: %s\n' "$*"; }
has_node() { command -v node >/dev/null && command -v npm >/dev/null; }

if ! has_node && [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null; then
    say "installing Debian's nodejs and npm."
    export DEBIAN_FRONTEND=noninteractive
    apt-get -qq update
    apt-get -qq install --yes --no-install-recommends nodejs npm >/dev/null
fi
if ! has_node; then
    say "Node.js or npm is missing. Install them once as root:  apt-get install nodejs npm" >&2
    [ -z "${CI:-}" ]
    exit
fi

# The lock holds hashes and no address: packages come from the registry that npm is set to.
installed=$client/node_modules/.package-lock.json
if [ ! -e "$installed" ] || [ "$client/package-lock.json" -nt "$installed" ]; then
    say "installing its locked packages with node $(node --version)."
    (cd "$client" && npm ci --silent)
    touch "$installed"
fi
