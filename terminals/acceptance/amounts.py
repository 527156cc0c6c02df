"""Amounts as a screen shows them."""

from __future__ import annotations


def rupiah(amount_rp: int) -> str:
    """Return an amount as it is written in Indonesia: Rp12.500."""
    return f"Rp{amount_rp:,}".replace(",", ".")
