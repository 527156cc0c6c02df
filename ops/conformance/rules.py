"""The register of rules: what the document says, and how it is tried."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Generic, TypeAlias, TypeVar

from msgspec import Struct

GroundT = TypeVar("GroundT")
"""What a rule is tried on: a node with the kit, or a client on the stage."""

Trial: TypeAlias = Callable[[GroundT], Awaitable[None]]
"""Tries one rule; raises RuleBroken where it does not hold, NotTried where it cannot be tried."""


class Rule(Struct, Generic[GroundT], frozen=True):
    """A rule of the document.

    Attributes:
      id: number of its section, and its own within that.
      name: what has to hold, as the function that tries it is called.
      sentence: where the document says so, word for word.
      capability: which a node has to name in `ready` for it to hold; empty: it always holds.
      limits: bounds that it reaches.
      slow: it takes longer than a few seconds.
    """

    id: str
    name: str
    sentence: str
    trial: Trial[GroundT]
    capability: str
    limits: tuple[str, ...]
    slow: bool


class Section(Generic[GroundT]):
    """A section of the document.

    Args:
      number: of its heading.
      title: of its heading.
      capability: that a node has to name for the section to hold.
      mark: stands in the ids of its rules, where the section is looked at more than once.

    Attributes:
      rules: in order.
    """

    def __init__(self, number: int, title: str, *, capability: str = "", mark: str = "") -> None:
        self.number = number
        self.title = title
        self.rules: list[Rule[GroundT]] = []
        self._capability = capability
        self._mark = mark

    def rule(
        self, sentence: str, *, limits: tuple[str, ...] = (), slow: bool = False
    ) -> Callable[[Trial[GroundT]], Trial[GroundT]]:
        """Register what tries a rule.

        Args:
          sentence: what the document says, word for word.
          limits: names of the bounds that it reaches.
          slow: it takes longer than a few seconds.
        """

        def register(trial: Trial[GroundT]) -> Trial[GroundT]:
            rule = Rule(
                f"{self.number}.{self._mark}{len(self.rules) + 1}",
                getattr(trial, "__name__", "").replace("_", " ").strip(),
                sentence,
                trial,
                self._capability,
                limits,
                slow,
            )
            self.rules.append(rule)
            return trial

        return register
