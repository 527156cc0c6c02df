"""Which service a trip was of: what a node has to know to rate its taps.

The file does not say it. Its corridors are lines of the city's network, and a network tells the
service of each; a trip of any other corridor, or of none, is judged by what was paid for it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from engine.rules.kinds import Service
from ops.replay.trips import ROYALTRANS_RP, Trip

_BY_AMOUNT: Final[Mapping[int, Service]] = {0: "mikrotrans", ROYALTRANS_RP: "royaltrans"}
_ELSE: Final[Service] = "transjakarta_non_brt"
"""It costs what `transjakarta_brt` does."""


class Services:
    """Tells the service of trips.

    Args:
      lines: the services of lines, by their ids.
    """

    def __init__(self, lines: Mapping[str, Service]) -> None:
        self._lines = lines

    def of(self, trip: Trip) -> Service:
        """Return the service of a trip."""
        if trip.corridor in self._lines:
            return self._lines[trip.corridor]
        return _BY_AMOUNT.get(trip.amount_rp) or _ELSE

    def judged(self, trips: Iterable[Trip]) -> list[int]:
        """Return the lines of those trips that are judged by their amount."""
        return [trip.line for trip in trips if trip.corridor not in self._lines]
