"""`python -m ops`: the command `jakarta-one` from a checkout."""

from ops.cli import main

main(prog_name="jakarta-one")
