"""Sending again is always safe: telling a repeated transaction from a different one (D7)."""

from __future__ import annotations

from engine.transaction import Entry, Transaction


def difference(entry: Entry, transaction: Transaction) -> str:
    """Return the path of the first field in which a transaction differs from its entry.

    The empty text means: the same content. Both carry the same identity.
    """
    assert entry.counter == transaction.counter
    if entry.at_ms != transaction.at_ms:
        return "at_ms"
    ours, theirs = entry.intent, transaction.intent
    if ours == theirs:
        return ""
    if type(ours) is not type(theirs):
        return "intent"
    for field in ours.__struct_fields__:
        if getattr(ours, field) != getattr(theirs, field):
            return f"intent.{field}"
    return "intent"
