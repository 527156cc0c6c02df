"""The payments of a fund in a period, summed up."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, NamedTuple, TypeAlias

import msgspec

from engine.transaction import Replace
from ops.claim.payments import Payment, payments_of
from ops.past.journal import Past, Period, first_moment_ms
from ops.past.slices import GRANTING, Entitled, Granting, Slices

PARTS: Final = ("group", "operator", "service", "line", "month")
"""What a claim may be told by, each kind of payment apart."""

_Record: TypeAlias = Granting | Payment
_DECODER: Final[msgspec.json.Decoder[_Record]] = msgspec.json.Decoder(_Record)
_TOLD_EVERY: Final = 65_536

Key: TypeAlias = tuple[str, ...]
"""Kind of payment, and a name for each part."""


class Sum(NamedTuple):
    """Payments with the same key."""

    rides: int
    amount_rp: int


class Claim(NamedTuple):
    """What the fund of a programme has paid in a period.

    Attributes:
      by: parts that payments are told by, of `PARTS`.
      sums: by kind and these parts, in their order.
    """

    programme: str
    period: Period
    by: Sequence[str]
    sums: dict[Key, Sum]

    @property
    def total(self) -> Sum:
        """All payments."""
        sums = self.sums.values()
        return Sum(sum(each.rides for each in sums), sum(each.amount_rp for each in sums))


def read_claim(
    past: Past,
    period: Period,
    programme: str,
    by: Sequence[str],
    scratch: Path,
    *,
    progress: Callable[[int], object] = int,
) -> Claim:
    """Sum up what was decided in a period; the group is the one that the card had by then.

    Args:
      past: where it stands.
      period: by the host's clock: what came late counts when it came.
      programme: whose fund.
      by: what to tell it by.
      scratch: an empty folder; it takes some 150 bytes for each payment.
      progress: is told now and then how many entries were read.

    Raises:
      StorageError: the journal cannot be read.
      OSError: the scratch folder cannot be written.
    """
    since_ms = 0 if period.first_day is None else first_moment_ms(period.first_day)
    records = max(0, past.end - past.position_at(since_ms))
    slices = Slices(scratch, _DECODER, records=records)
    for position, entry in past.entries(period.until_ms):
        intent = entry.intent
        if isinstance(intent, GRANTING) and entry.posted:
            slices.add(intent.card, Granting(position, entry))
            if isinstance(intent, Replace):
                slices.join(intent.card, intent.new_card)
        if entry.decided_ms >= since_ms:
            for payment in payments_of(entry, programme, past.find):
                slices.add(payment.card, payment)
        if position % _TOLD_EVERY == 0:
            progress(position)
    sums: dict[Key, Sum] = {}
    for records_of_slice in slices:
        _add(sums, records_of_slice, programme, by)
    return Claim(programme, period, by, dict(sorted(sums.items())))


def _add(
    sums: dict[Key, Sum], records: Sequence[_Record], programme: str, by: Sequence[str]
) -> None:
    entitled = Entitled()
    for record in records:
        if isinstance(record, Granting):
            entitled.follow(record)
            continue
        parts = {
            "group": entitled.group_of(record.card, programme),
            "operator": record.operator,
            "service": record.service,
            "line": record.line,
            "month": record.month,
        }
        key = (record.kind, *(parts[part] for part in by))
        before = sums.get(key, Sum(0, 0))
        sums[key] = Sum(before.rides + record.rides, before.amount_rp + record.amount_rp)
