#!/bin/sh
# Holds each package to its own floor: coverage.sh PACKAGE:PER_CENT...
# One line for a package that stands above it, the lines missed for one that does not.
set -u
status=0
for floor in "$@"; do
    package=${floor%:*} least=${floor#*:}
    if report=$(.venv/bin/coverage report --include="$package/*" --fail-under="$least" 2>&1); then
        total=$(printf '%s\n' "$report" | sed -n 's/^TOTAL.* //p')
        printf '%-10s %6s  (at least %s%%)\n' "$package" "$total" "$least"
    else
        printf '%s: below its floor of %s%%\n%s\n' "$package" "$least" "$report"
        status=1
    fi
done
exit $status
