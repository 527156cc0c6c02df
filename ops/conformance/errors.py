"""What can come of a rule that is tried.

ConformanceError
├── RuleBroken     the other side does not do what the document says
│   └── Silent     it said nothing, and ought to have
└── NotTried       nothing can be said of the rule here, and why
"""

from __future__ import annotations


class ConformanceError(Exception):
    """Root of the exceptions of this package."""


class RuleBroken(ConformanceError):
    """The other side does not do what the document says; the text tells what it did instead."""


class Silent(RuleBroken):
    """What had to come did not come in time."""


class NotTried(ConformanceError):
    """The rule cannot be tried here; the text says why."""


def check(holds: object, otherwise: str) -> None:
    """Go on if a rule holds.

    Raises:
      RuleBroken: it does not.
    """
    if not holds:
        raise RuleBroken(otherwise)


def check_equal(what: str, found: object, wanted: object) -> None:
    """Go on if something is what it has to be.

    Raises:
      RuleBroken: it is something else.
    """
    check(found == wanted, f"{what} is {found!r}, not {wanted!r}")
