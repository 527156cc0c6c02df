"""Sending again is always safe: telling a repeated transaction from a different one (D7)."""

from __future__ import annotations

from msgspec import Struct

from engine.transaction import Entry, Transaction


def difference(entry: Entry, transaction: Transaction) -> str:
    """Return the path of the first field in which a transaction differs from its entry.

    The empty text means: the same content. Both carry the same identity.
    """
    assert entry.counter == transaction.counter, "only transactions of one identity are compared"
    if entry.at_ms != transaction.at_ms:
        return "at_ms"
    ours, theirs = entry.intent, transaction.intent
    return "" if ours == theirs else _difference(ours, theirs, "intent")


def _difference(ours: object, theirs: object, path: str) -> str:
    """Go down to the innermost value in which two that are not equal differ."""
    pairs: list[tuple[str, object, object]]
    if isinstance(ours, Struct) and type(ours) is type(theirs):
        fields = ours.__struct_fields__
        pairs = [(f".{name}", getattr(ours, name), getattr(theirs, name)) for name in fields]
    elif isinstance(ours, tuple) and isinstance(theirs, tuple) and len(ours) == len(theirs):
        pairs = [(f"[{i}]", *pair) for i, pair in enumerate(zip(ours, theirs, strict=True))]
    else:
        return path
    return next(_difference(a, b, path + step) for step, a, b in pairs if a != b)
