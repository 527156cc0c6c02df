"""Entries with the names of their fields: what a line of `jakarta-one feed` holds.

The names are those of docs/protocol.md. A name of an intent is its `kind`; kinds of accounts are
told by their names; bytes are hex. What a later version may have added is left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, TypeAlias, get_args

import msgspec

from engine.accounts import AccountKind
from engine.transaction import Intent
from terminals.messages import FeedEntry

Named: TypeAlias = dict[str, object]

_FIELDS: Final[dict[object, tuple[str, ...]]] = {
    intent.__struct_config__.tag: intent.__struct_fields__ for intent in get_args(Intent)
}
_ACCOUNTS: Final[dict[object, str]] = {kind.value: kind.name.lower() for kind in AccountKind}
_ENCODER: Final = msgspec.json.Encoder()


def named(found: FeedEntry) -> Named:
    """Return an entry and its position as an object."""
    position, entry = found
    return {
        "position": position,
        **entry._asdict(),
        "intent": named_intent(entry.intent),
        "postings": _lines(entry.postings),
        "chip": entry.chip and {**entry.chip._asdict(), "uid": entry.chip.uid.hex()},
    }


def named_intent(intent: Sequence[object]) -> Named:
    """Return an intent as an object; one that is not known keeps its fields in order."""
    kind, *values = intent
    if kind not in _FIELDS:
        return {"kind": kind, "fields": [_plain(value) for value in values]}
    fields = dict(zip(_FIELDS[kind], values, strict=False))
    return {"kind": kind, **{name: _named(name, value) for name, value in fields.items()}}


def lines_of(entries: Sequence[FeedEntry]) -> bytes:
    """Return entries as lines of JSON, each with its end."""
    return _ENCODER.encode_lines(list(map(named, entries)))


def _named(name: str, value: object) -> object:
    if name == "parts" and isinstance(value, list):
        return [named_intent(part) for part in value]
    if name == "lines" and isinstance(value, list):
        return _lines(value)
    return _plain(value)


def _lines(postings: Sequence[Sequence[object]]) -> list[Named]:
    return [
        {"kind": _ACCOUNTS.get(kind, kind), "owner": owner, "amount_rp": amount_rp}
        for kind, owner, amount_rp in postings
    ]


def _plain(value: object) -> object:
    return value.hex() if isinstance(value, bytes) else value
