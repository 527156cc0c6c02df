"""Entries as they are shown to those who may count and may not know whose card it was.

A card becomes a pseudonym: always the same one for the same card, so that counts by card come out
right, and nothing that anybody without the node's secret could find the card by. Who decided what
and why, what a card holds and buys, where its rides stand, which chip it has and what that proved
are left out.

Where somebody has to tell one card from another, on a screen or in a report, its number is masked.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable
from typing import Final, TypeAlias

from msgspec.structs import replace

from engine.accounts import OWED_FARES, PROGRAMME_PURSE, PURSE, Posting
from engine.limits import NAME_LENGTH_MAX
from engine.transaction import (
    Adjustment,
    Block,
    Entry,
    Grant,
    Group,
    Identify,
    Intent,
    Issue,
    Part,
    Purchase,
    Replace,
    Revoke,
    Tap,
    TopUp,
    Unblock,
    Withdrawal,
)

SIGNS_SHOWN: Final = 4
"""Of a card's number, where people have to tell it from another one."""

Pseudonym: TypeAlias = Callable[[str], str]
"""Returns what stands for a card."""

SECRET_BYTES: Final = 32

MARK: Final = "*"
"""Stands before the digits of a pseudonym, and alone for what is left out: no name holds it."""

_HIDDEN: Final = MARK.encode()

_DIGITS: Final = 16
"""64 bits: with ten million cards, one chance in 370,000 that any two share a pseudonym."""


def pseudonyms(secret: bytes) -> Pseudonym:
    """Return what gives each card its pseudonym: a keyed hash (HMAC-SHA256, RFC 2104)."""
    assert len(secret) == SECRET_BYTES

    def pseudonym(card: str) -> str:
        return MARK + hmac.digest(secret, card.encode(), "sha256").hex()[:_DIGITS]

    return pseudonym


def redact(entry: Entry, pseudonym: Pseudonym) -> Entry:
    """Return an entry without what is personal; its amounts and its other names stay."""
    return replace(
        entry,
        intent=_redacted(entry.intent, pseudonym),
        balance_rp=0,
        rating=None,
        middle=None,
        tally=None,
        chip=entry.chip and replace(entry.chip, uid=_HIDDEN, counter=0),
        postings=tuple(_line(posting, pseudonym) for posting in entry.postings),
    )


def _redacted(intent: Intent, pseudonym: Pseudonym) -> Intent:
    match intent:
        case Group():
            return Group(tuple(_part(part, pseudonym) for part in intent.parts))
        case Adjustment():
            lines = tuple(_line(line, pseudonym) for line in intent.lines)
            card = intent.card and pseudonym(intent.card)
            return Adjustment(MARK, MARK, lines, card)
        case Replace():
            new_card = pseudonym(intent.new_card)
            return Replace(pseudonym(intent.card), new_card, _hidden(intent.chip))
        case Issue():
            return replace(intent, card=pseudonym(intent.card), chip=_hidden(intent.chip))
        case Block() | Unblock() | Revoke():
            return replace(intent, card=pseudonym(intent.card), reason=MARK)
        case Grant() | Identify():
            return replace(intent, card=pseudonym(intent.card), holder=MARK)
        case Tap() | Purchase() | TopUp():
            return _part(intent, pseudonym)
        case Withdrawal():
            return replace(intent, card=pseudonym(intent.card), proof=_hidden(intent.proof))
        case _:
            return replace(intent, card=pseudonym(intent.card)) if intent.card else intent


def _part(part: Part, pseudonym: Pseudonym) -> Part:
    if not isinstance(part, Tap | Purchase | TopUp):
        return part
    shown = replace(part, card=pseudonym(part.card), proof=_hidden(part.proof))
    if isinstance(shown, Purchase):
        # What somebody buys tells of their health: glasses, a hearing aid.
        return replace(shown, items=tuple(replace(item, name=MARK) for item in shown.items))
    return shown


def masked(card: str) -> str:
    """Return the last signs of a card's number; none of a short one, for that is half of it."""
    return f"...{card[-SIGNS_SHOWN:] if len(card) > 2 * SIGNS_SHOWN else ''}"


def _hidden(of_chip: bytes | None) -> bytes | None:
    # A proof is made with the chip's own key, and anybody can read the UID of a card that passes
    # by; that there was one stays.
    return of_chip and _HIDDEN


def _line(posting: Posting, pseudonym: Pseudonym) -> Posting:
    kind, owner, amount_rp = posting
    if kind in (PURSE, OWED_FARES):
        return kind, pseudonym(owner), amount_rp
    if kind == PROGRAMME_PURSE:
        card, stroke, programme = owner.partition("/")
        # Longer is no programme's name, and would make an owner longer than one may be.
        return kind, f"{pseudonym(card)}{stroke}{programme[:NAME_LENGTH_MAX]}", amount_rp
    return posting
