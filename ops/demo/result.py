"""What a demo came to, as values: for the statement that people read and the JSON object."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from math import ceil

from msgspec import Struct

from ops.demo.audit import Audit
from ops.demo.city import City


class Latency(Struct, frozen=True):
    """Milliseconds from the moment a tap was meant to be sent to its answer."""

    p50_ms: float
    p99_ms: float
    max_ms: float


class Event(Struct, frozen=True):
    """Something that happened on the way, with the time of the wall clock."""

    at: datetime
    text: str

    @property
    def clock(self) -> str:
        """Date and time to the millisecond."""
        return clock(self.at)


class Outage(Struct, frozen=True):
    """What the kill of the node cost.

    Attributes:
      killed_at: the wall clock at that moment.
      recovery_ms: what the new process needed to read its folder.
      replayed: entries it replayed after its last checkpoint.
      down_ms: from the kill until the node listened again.
      away_ms: from the kill until the last terminal was back.
    """

    killed_at: datetime
    recovery_ms: float
    replayed: int
    down_ms: float
    away_ms: float


class Result(Struct, frozen=True):
    """Everything that the statement tells.

    Attributes:
      posted, refused: each tap counts once, however often it was sent.
      resent: taps sent once more, after the kill or on purpose.
      duplicates: of these, how many had been decided before and got their first answer.
      calm: latency of the taps that the outage did not touch.
      problems: what verification found wrong.
      speed: that was asked for, if one was.
      folder: the data folder where it was asked to be kept, or empty.
    """

    city: City
    audit: Audit
    events: tuple[Event, ...]
    seed: int
    terminals: int
    taps_sent: int
    posted: int
    refused: dict[str, int]
    resent: int
    duplicates: int
    unanswered: int
    sending_s: float
    latency: Latency
    calm: Latency
    outage: Outage | None
    verified: bool
    blocks: int
    problems: tuple[str, ...]
    speed: float | None
    folder: str
    took_s: float

    @property
    def balanced(self) -> bool:
        """Whether every tap was answered and everything balanced."""
        return self.verified and self.audit.ok and self.unanswered == 0

    @property
    def taps_per_s(self) -> float:
        """Answered taps over the time from the first intended tap to the last answer."""
        return (self.taps_sent - self.unanswered) / self.sending_s

    def as_json(self) -> Mapping[str, object]:
        """Return the figures under their names in the JSON object."""
        outage = self.outage
        return {
            "balanced": self.balanced,
            "trips": self.city.trips,
            "cards": self.city.cards,
            "terminals": self.terminals,
            "seed": self.seed,
            "taps_sent": self.taps_sent,
            "posted": self.posted,
            "refused": sum(self.refused.values()),
            "refused_by_reason": self.refused,
            "resent": self.resent,
            "duplicates": self.duplicates,
            "unanswered": self.unanswered,
            "lost": self.audit.lost,
            "doubled": self.audit.doubled,
            "differences": list(self.audit.differences),
            "sum_of_accounts_rp": self.audit.sum_of_accounts_rp,
            "verified": self.verified,
            "problems": list(self.problems),
            "entries": self.audit.entries,
            "blocks": self.blocks,
            "taps_per_s": round(self.taps_per_s, 1),
            "p50_ms": self.latency.p50_ms,
            "p99_ms": self.latency.p99_ms,
            "max_ms": self.latency.max_ms,
            "p50_calm_ms": self.calm.p50_ms,
            "p99_calm_ms": self.calm.p99_ms,
            "kills": 0 if outage is None else 1,
            "recovery_ms": None if outage is None else outage.recovery_ms,
            "replayed": None if outage is None else outage.replayed,
            "down_ms": None if outage is None else outage.down_ms,
            "away_ms": None if outage is None else outage.away_ms,
            "took_s": round(self.took_s, 1),
            "data": self.folder or None,
            "events": [f"{event.clock} {event.text}" for event in self.events],
        }


def clock(at: datetime) -> str:
    """Return a date and time to the millisecond."""
    return f"{at:%Y-%m-%d %H:%M:%S}.{at.microsecond // 1000:03}"


def latency_of(waits_s: Sequence[float]) -> Latency:
    """Return the percentiles (nearest rank) of waiting times in seconds; none of nothing is 0."""
    ordered = sorted(waits_s) or [0.0]

    def rank_ms(share: float) -> float:
        return round(ordered[max(ceil(share * len(ordered)), 1) - 1] * 1000, 2)

    return Latency(rank_ms(0.5), rank_ms(0.99), rank_ms(1))
