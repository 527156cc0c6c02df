"""The cases led by coverage: `python -m tests.fuzz.atheris_protocol -max_total_time=600 FOLDER`.

Needs `atheris`, which is no dependency of the project: it goes into an environment of its own,
beside what the project itself requires. All arguments are libFuzzer's; the folder keeps the inputs
that reached something new.
"""

from __future__ import annotations

import sys
from importlib import import_module
from importlib.util import find_spec
from typing import Final

TOOL: Final = "atheris"
INSTRUMENTED: Final = ("protocol", "engine", "websockets")
"""What reads the bytes of a peer and is not in C."""


def main() -> None:
    """Fuzz until told otherwise."""
    if find_spec(TOOL) is None:
        sys.exit(f"{TOOL} is not installed")
    atheris = import_module(TOOL)
    with atheris.instrument_imports(include=list(INSTRUMENTED)):
        call = import_module("tests.fuzz.targets").call
    atheris.Setup(sys.argv, call)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
