"""Amounts and times as a terminal shows them."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Final

from engine.calendar import WIB_OFFSET_MS

_WIB: Final = timezone(timedelta(milliseconds=WIB_OFFSET_MS))


def rupiah(amount_rp: int) -> str:
    """Return an amount as it is written in Indonesia: Rp12.500."""
    return f"Rp{amount_rp:,}".replace(",", ".")


def in_jakarta(at_ms: int) -> datetime:
    """Return a time by the clocks of Jakarta, to be written in whatever form."""
    return datetime.fromtimestamp(at_ms / 1000, _WIB)
