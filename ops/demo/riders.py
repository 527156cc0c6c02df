"""The riders of the demo: who has which card, who is free for a trip, and what a card holds."""

from __future__ import annotations

import heapq
import random
from dataclasses import dataclass
from typing import Final

from ops.demo.network import Network

NEW_RIDER: Final = 0.4
"""Share of the trips that are their rider's first: two and a half trips for each card."""

DRY: Final = 0.02
"""Share of the accounts that hold less than a gate asks for."""

DRY_RP_MAX: Final = 4_500
LEFT_RP: Final = 5_000
"""What is left on a card after its morning, for the gates want to see so much."""

TOP_UPS_RP: Final = (10_000, 20_000, 50_000, 100_000, 200_000)
"""What people put on a card; up to Rp200,000 at once is free (PADG 19/10/PADG/2017)."""

_STEP_RP: Final = 500


@dataclass(slots=True, eq=False)
class Rider:
    """Somebody with a card.

    Attributes:
      number: in the order of the first trip.
      bank: the issuer of the card.
      free: rides for nothing; a programme pays.
      dry: has too little money for a gate.
      stored: its chip holds the money and pays.
      need_rp: what the fares of all trips add up to.
      fare: the only one that the rider pays, besides those of rides that are free for all.
      is_inside: did not tap out of the last ride, and no gate lets an account in like that.
    """

    number: int
    bank: str
    free: bool
    dry: bool
    stored: bool = False
    need_rp: int = 0
    fare: str = ""
    is_inside: bool = False

    @property
    def card(self) -> str:
        """The card's name in the ledger."""
        return f"card-{self.number:06}"

    @property
    def holder(self) -> str:
        """Who stands for the rider in the grants of a programme."""
        return f"holder-{self.number:06}"

    @property
    def top_up_rp(self) -> int:
        """What the rider puts on the card before the morning."""
        if self.free:
            return 0
        if self.dry and self.need_rp:
            return min(max(self.need_rp // 2 // _STEP_RP, 1) * _STEP_RP, DRY_RP_MAX)
        wanted_rp = self.need_rp + LEFT_RP
        return next(amount_rp for amount_rp in TOP_UPS_RP if amount_rp >= wanted_rp)


class Riders:
    """Who is free for a trip: nobody makes two at once."""

    def __init__(self, network: Network, rng: random.Random) -> None:
        self.all: list[Rider] = []
        self._network = network
        self._rng = rng
        self._idle: list[Rider] = []
        self._travelling: list[tuple[float, int]] = []

    def pick(self, now_s: float) -> Rider:
        """Return somebody who is free: a new rider, or one seen before."""
        while self._travelling and self._travelling[0][0] <= now_s:
            self._idle.append(self.all[heapq.heappop(self._travelling)[1]])
        if not self._idle or self._rng.random() < NEW_RIDER:
            return self._new()
        at = self._rng.randrange(len(self._idle))
        self._idle[at], self._idle[-1] = self._idle[-1], self._idle[at]
        return self._idle.pop()

    def travels(self, rider: Rider, until_s: float) -> None:
        """Send a rider on the way until a moment."""
        heapq.heappush(self._travelling, (until_s, rider.number))

    def _new(self) -> Rider:
        banks = self._network.banks
        (bank,) = self._rng.choices(list(banks), [bank.weight for bank in banks.values()])
        free = self._rng.random() < self._network.programme.share
        stored = not free and self._rng.random() < self._network.stored.share
        dry = not free and not stored and self._rng.random() < DRY
        rider = Rider(len(self.all), bank, free, dry, stored)
        self.all.append(rider)
        return rider
