"""What is rehearsed: the rules in force, and the same with instruments that are proposed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from pathlib import Path

from engine.rules.proposed import Rehearsed, in_force_since
from engine.rules.reading import Instrument
from engine.rules.rulebook import Rulebook
from ops.rulebook import checked, instruments_in, load_instruments


class Proposal:
    """The rules in force, and instruments that would take their place or stand beside them.

    Args:
      rules_in: folder of instruments beside those that come with the program, or None.
      files: the proposed instruments.

    Attributes:
      in_force: the rules without them.

    Raises:
      RulesInvalid: with everything that is wrong with any of them.
    """

    def __init__(self, rules_in: Path | None, files: Sequence[Path]) -> None:
        folder = instruments_in(rules_in)
        self.in_force: Rulebook = checked(load_instruments(folder))
        every = load_instruments([*folder, *files])
        # As they stand, they have to be what a node could be started with.
        checked(every)
        names = {str(path) for path in files}
        self._proposed: list[Instrument] = [each for each in every if each.file in names]
        self._others: list[Instrument] = [each for each in every if each.file not in names]

    def since(self, first: date) -> tuple[Rulebook, list[Rehearsed]]:
        """Return the rules with those that are proposed, which hold from a day on.

        Raises:
          RulesInvalid: they contradict others by then.
        """
        instruments, rehearsed = in_force_since(first, self._proposed, self._others)
        return checked(instruments), rehearsed
