"""What the ledger holds of earlier replays, and how it is recognised.

A tap of the file is known by its proof, which depends on the row's transID and the end of the
trip alone: not on the other rows, nor on the terminal or the number under which it was sent.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Final

from ops.replay.errors import ReplayError
from ops.replay.trips import LOADER
from terminals.intents import Intent
from terminals.messages import Entry

DAY_2000: Final = 10_957
"""2000-01-01, counted from 1970-01-01."""
PER_DAY_MAX: Final = 1_000_000
"""Counters of one terminal for one day; a tap each tenth of a second."""
PROOF_BYTES: Final = 8
_PROOF_AT: Final[Mapping[object, int]] = {"tap": 8, "top_up": 7}
"""Where a proof stands among the fields of an intent, its name being the first."""
_SERVICE_AT: Final = 9
"""Where a tap has its service."""


class Held:
    """Entries of the ledger, by their id and by their proof."""

    def __init__(self, entries: Iterable[Entry] = ()) -> None:
        self._by_id: dict[tuple[str, int], Entry] = {}
        self._by_proof: dict[bytes, Entry] = {}
        self._spent_rp: Counter[tuple[str, int]] = Counter()
        for entry in entries:
            self.add(entry)

    def add(self, entry: Entry) -> None:
        """Take in an entry; one that is known changes nothing."""
        identity = (entry.terminal, entry.counter)
        if identity in self._by_id:
            return
        self._by_id[identity] = entry
        if proof := proof_in(entry.intent):
            self._by_proof.setdefault(proof, entry)
        if entry.intent[0] == "tap":
            _, card, amount_rp, *_ = entry.intent
            assert isinstance(card, str), "a tap is of a card"
            assert isinstance(amount_rp, int), "for an amount"
            self._spent_rp[card, day_of_counter(entry.counter)] += amount_rp

    def under(self, terminal: str, counter: int) -> Entry | None:
        """Return what stands under an id."""
        return self._by_id.get((terminal, counter))

    def with_proof(self, proof: bytes) -> Entry | None:
        """Return what carries a proof, whatever its id."""
        return self._by_proof.get(proof)

    def spent_rp(self, card: str, day: int) -> int:
        """Return what a card spent on a day's trips, those of other files too."""
        return self._spent_rp[card, day]


def counter_of(terminal: str, day: int, number: int) -> int:
    """Return the counter of a terminal's so-many-th transaction of a day.

    Raises:
      ReplayError: a day has no more.
    """
    if number >= PER_DAY_MAX:
        raise ReplayError(f"{terminal}: {PER_DAY_MAX:,} or more taps on one day")
    return (day - DAY_2000) * PER_DAY_MAX + number


def day_of_counter(counter: int) -> int:
    """Return the day, counted from 1970-01-01, that a counter belongs to."""
    return counter // PER_DAY_MAX + DAY_2000


def proof_in(intent: Intent) -> bytes:
    """Return the proof of a tap or a load; empty if it has none."""
    place = _PROOF_AT.get(intent[0])
    proof = None if place is None else intent[place]
    return proof if isinstance(proof, bytes) else b""


def service_in(intent: Intent) -> str:
    """Return the service that a tap names; empty if it names none, or is no tap."""
    service = intent[_SERVICE_AT] if intent[0] == "tap" else ""
    assert isinstance(service, str), "a service is a name"
    return service


def tap_proof(trans_id: str, direction: str) -> bytes:
    """Return what stands for the chip's own proof of a tap, which the file does not have."""
    return _proof(trans_id, direction)


def load_proof(card: str, day: int, earlier: int) -> bytes:
    """Return the proof of a card's load of a day, after so many earlier ones."""
    return _proof(card, LOADER, str(day), str(earlier))


def _proof(*parts: str) -> bytes:
    return hashlib.blake2b("\0".join(parts).encode(), digest_size=PROOF_BYTES).digest()
