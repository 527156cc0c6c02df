"""Lists that change how a terminal works whenever a version of them comes into use."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from importlib.metadata import version
from typing import Final, TypeAlias

from engine.fleet.lists import ListName
from ops.terminal.law import Fares, TerminalLaw
from terminals.acceptance.point import Kind
from terminals.acceptance.uplink import UseList

VERSION: Final = version("jakarta-one")

UseWith: TypeAlias = Callable[[ListName, UseList], None]
"""Takes who is told all of a list."""


def follow_lists(
    use_with: UseWith,
    kind: Kind,
    law: TerminalLaw,
    decide_by: Callable[[Fares], None],
    note: Callable[[str], None],
) -> None:
    """Follow the lists of rules and of firmware.

    Args:
      use_with: of the terminal's way to its node.
      kind: of the terminal.
      law: makes fares of the list of rules.
      decide_by: is given the fares that hold from then on.
      note: takes a line for people.
    """

    def use_rules(entries: Iterable[tuple[str, str]]) -> None:
        fares = law.with_list(entries, note)
        if fares is not None:
            decide_by(fares)

    def see_firmware(entries: Iterable[tuple[str, str]]) -> None:
        published = dict(entries).get(kind, VERSION)
        if published != VERSION:
            note(f"firmware {published} is published for a {kind}; this is {VERSION}")

    use_with("rules", use_rules)
    use_with("firmware", see_firmware)
