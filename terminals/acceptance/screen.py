"""What the screen of a terminal says: a few lines of text, in Indonesian and in English."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from protocol.chip.profile import Record, Use
from terminals.acceptance.point import Places
from terminals.acceptance.refusal import Refusal
from terminals.acceptance.shown import in_jakarta, rupiah
from terminals.acceptance.visit import Taken, Turned, Visit

USES_SHOWN: Final = 5
LOW_RP: Final = 10_000
"""Below this the screen says that the card wants money."""

_DONE: Final[dict[Use, tuple[str, str]]] = {
    Use.ISSUED: ("Kartu diterbitkan", "Issued"),
    Use.TAP_IN: ("Silakan masuk", "Enter"),
    Use.TAP_OUT: ("Silakan keluar", "Exit"),
    Use.RESET: ("Perjalanan ditutup", "Journey closed"),
    Use.PURCHASE: ("Pembayaran berhasil", "Paid"),
    Use.TOP_UP: ("Isi ulang berhasil", "Topped up"),
}
_WORDS: Final[dict[Use, str]] = {
    Use.ISSUED: "terbit",
    Use.TAP_IN: "masuk",
    Use.TAP_OUT: "keluar",
    Use.RESET: "tutup",
    Use.PURCHASE: "belanja",
    Use.TOP_UP: "isi ulang",
}
_KEEP: Final = frozenset({Refusal.TORN, Refusal.MOVED, Refusal.SEVERAL})
"""Refusals after which the card is to be shown again."""


def lines_of(visit: Visit, places: Places) -> list[str]:
    """Return what the screen says of a visit."""
    if isinstance(visit, Turned):
        return _turned(visit)
    return _taken(visit, places)


def _turned(visit: Turned) -> list[str]:
    refused = visit.refused
    sign = "~" if refused.refusal in _KEEP else "X"
    lines = [f"{sign} {refused.says_id} / {refused.says_en}"]
    if visit.value_rp >= 0:
        lines.append(f"  Saldo {rupiah(visit.value_rp)}")
    return lines


def _taken(visit: Taken, places: Places) -> list[str]:
    says_id, says_en = _DONE[visit.use]
    lines = [f"V {says_id} / {says_en}"]
    if visit.change_rp < 0:
        lines.append(f"  Tarif {rupiah(-visit.change_rp)}")
    elif visit.change_rp > 0:
        lines.append(f"  Isi ulang {rupiah(visit.change_rp)}")
    low = " - segera isi ulang / low" if visit.value_rp < LOW_RP else ""
    lines.append(f"  Saldo {rupiah(visit.value_rp)}{low}")
    lines += uses_lines(visit.uses, places)
    return lines


def uses_shown(visit: Visit) -> int:
    """Return how many lines of a visit, the last ones, tell what its card was used for before."""
    return min(len(visit.uses), USES_SHOWN) if isinstance(visit, Taken) else 0


def uses_lines(uses: Sequence[Record], places: Places) -> list[str]:
    """Return the last uses of a card, a line each."""
    return [f"  {_use(record, places)}" for record in uses[:USES_SHOWN]]


def _use(record: Record, places: Places) -> str:
    when = f"{in_jakarta(record.at_s * 1000):%d-%m %H:%M}"
    found = places.find(record.place)
    where = " ".join(filter(None, found)) if found else ""
    amount = rupiah(record.amount_rp) if record.amount_rp else ""
    return "  ".join(filter(None, (when, _WORDS[record.use], amount, where)))
