"""Loads of taps that the node rates: rides of a city's day, all rules on."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Final

from bench.line import Line, submit_frame
from bench.load import card_name
from engine.calendar import DAY_MS
from engine.transaction import Tap, Transaction

SERVICES: Final = (
    ("transjakarta_brt", "transjakarta", ("P00142", "P00018", "P00251")),
    ("transjakarta_non_brt", "transjakarta", ("B02731P", "B01234P")),
    ("mikrotrans", "transjakarta", ("B00032P", "B00077P")),
    ("mrt", "mrtj", ("Blok M", "Senayan", "Bundaran HI")),
    ("lrt_jakarta", "lrtj", ("Velodrome", "Pulomas")),
)
WEIGHTS: Final = (50, 25, 15, 8, 2)
"""Roughly as the boardings of a working day are shared among the city's own services."""

FIRST_MS: Final = 4 * 3600 * 1000
LAST_MS: Final = 22 * 3600 * 1000
RIDE_MS: Final = 20 * 60 * 1000
"""Rides begin between these hours of the day, in the order of time on each line."""


def prepare_rides(
    line: Line,
    *,
    frames: int,
    taps_per_frame: int,
    cards: Sequence[int],
    chance: random.Random,
    day: int,
) -> list[bytes]:
    """Prepare the frames of a terminal: each two taps are a ride of a card.

    Cards ride by turns, in an order of the day: nobody is in two rides at once.

    Args:
      line: of the terminal.
      frames: how many.
      taps_per_frame: in each of them, an even number.
      cards: their numbers; no other terminal has them.
      chance: which card, which service, which stations.
      day: on which, as engine.calendar counts.
    """
    prepared = []
    turns = chance.sample(cards, len(cards))
    rides = max(1, frames * taps_per_frame // 2)
    for number in range(0, rides, taps_per_frame // 2):
        batch: list[Transaction] = []
        for ride in range(number, number + taps_per_frame // 2):
            began_ms = day * DAY_MS + FIRST_MS + (LAST_MS - FIRST_MS) * ride // rides
            batch += _ride(line, began_ms, turns[ride % len(turns)], chance)
        prepared.append(submit_frame(batch))
    return prepared


def _ride(line: Line, began_ms: int, number: int, chance: random.Random) -> list[Transaction]:
    ((service, operator, places),) = chance.choices(SERVICES, WEIGHTS)
    card = card_name(number)
    origin, destination = chance.sample(places, 2)
    first = Tap(card, 0, operator, "in", origin, "1", service=service)
    last = Tap(card, 0, operator, "out", destination, "1", service=service)
    line.counter += 2
    return [
        Transaction(line.counter - 1, began_ms, first),
        Transaction(line.counter, began_ms + RIDE_MS, last),
    ]
