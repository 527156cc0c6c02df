"""The law of a terminal: the instruments of its program, of its folder, and of the list `rules`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import product
from pathlib import Path
from typing import NamedTuple

from engine.fares.lines import LineNetwork
from engine.fares.tariff import Tariffs
from engine.law import law_of
from engine.rules.kinds import Service, TableFare
from engine.rules.listed import texts_of
from engine.rules.reading import RulesInvalid, by_file
from engine.rules.rulebook import Rulebook
from ops.rulebook import instruments_in
from ops.shipped import coming_with, texts_beside
from terminals.acceptance.point import Places


class Fares(NamedTuple):
    """What a terminal decides rides by, and the places that records of chips mean."""

    tariffs: Tariffs
    places: Places


class TerminalLaw:
    """Makes the fares of a terminal, and makes them anew when the list of rules changes.

    Args:
      folder: of instruments beside those that come with the program; None: there is none.
      network: of the city.

    Attributes:
      fares: without a list.

    Raises:
      RulesInvalid: the instruments of the program or the folder cannot be used.
    """

    def __init__(self, folder: Path | None, network: LineNetwork) -> None:
        shipped = coming_with("engine.rules", "instruments")
        texts, faults = texts_beside(shipped, instruments_in(folder))
        if faults:
            raise RulesInvalid(faults)
        self._texts = {Path(name).name: text for name, text in texts.items()}
        self._network = network
        self.fares = self._made({})

    def with_list(
        self, entries: Iterable[tuple[str, str]], note: Callable[[str], None]
    ) -> Fares | None:
        """Return the fares with a list of rules; None: it cannot be used, which `note` is told."""
        try:
            return self._made(texts_of(entries))
        except RulesInvalid as invalid:
            first, *more = str(invalid).splitlines()
            told = f"{first}, and {len(more)} faults more" if more else first
            note(f"the list of rules is not used: {told}")
            return None

    def _made(self, listed: Mapping[str, str]) -> Fares:
        rulebook = Rulebook(by_file({**self._texts, **listed}))
        tariffs = law_of(rulebook, self._network).tariffs
        return Fares(tariffs, Places(known_places(rulebook, self._network)))


def known_places(rulebook: Rulebook, network: LineNetwork) -> Iterator[tuple[Service, str]]:
    """Walk the places on which fares depend, whenever they do."""
    yield from network.places()
    for rule_id in rulebook.ids:
        for version in rulebook.versions(rule_id):
            if isinstance(version.rule, TableFare):
                yield from product(version.rule.services, version.rule.stations)
