"""Figures: what a measurement comes to, over its repeats."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from msgspec import Struct


class Figure(Struct, frozen=True):
    """One measured quantity.

    Attributes:
      name: key of the figure, its unit last.
      what: for a person.
      values: one for each repeat.
      target: what design asks for, in words; empty if it asks for nothing.
      per_tap_rate: taps per second, to be compared with the peer's.
    """

    name: str
    what: str
    values: Sequence[float]
    target: str = ""
    per_tap_rate: bool = False

    @property
    def median(self) -> float:
        """The middle of the repeats."""
        return statistics.median(self.values)

    def summary(self, peer_taps_per_s: float | None) -> dict[str, object]:
        """Return the figure for a program."""
        ratio = self.ratio(peer_taps_per_s)
        return {
            "median": rounded(self.median),
            "min": rounded(min(self.values)),
            "max": rounded(max(self.values)),
            "repeats": len(self.values),
            "target": self.target,
            "ratio_to_postgres": None if ratio is None else rounded(ratio),
        }

    def ratio(self, peer_taps_per_s: float | None) -> float | None:
        """Return how many times the peer's rate this is; None where that says nothing."""
        if not self.per_tap_rate or not peer_taps_per_s:
            return None
        return self.median / peer_taps_per_s


def percentile(values: Sequence[float], share: float) -> float:
    """Return the value that a share of all values does not exceed (nearest rank)."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, max(0, round(share * len(ordered)) - 1))]


def rounded(value: float) -> float:
    """Return a value with the digits that a measurement can vouch for."""
    return round(value) if abs(value) >= 100 else round(value, 2)  # noqa: PLR2004 three digits
