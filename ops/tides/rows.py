"""Entries of the journal as rows of fare transactions.

A fare transaction is money of an operator. Every line of a posted entry on an operator's account
is one row with its amount and sign, whatever the entry was about; and so is a ride that moved
nothing, with an amount of 0. So the rows of an operator add up to its account in the ledger.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple, TypeAlias

from engine.accounts import OPERATOR_REVENUE, card_in
from engine.calendar import DAY_MS, day_of
from engine.limits import TIME_MS_MAX
from ops.feed.named import Named, named_intent
from protocol.redaction import MARK
from terminals.messages import Entry, FeedEntry

KINDS: Final = ("tap", "subsidy", "share", "group", "post", "reversal", "refund", "adjustment")
"""The intents whose entries can move money of an operator."""

CURRENCY: Final = "IDR"
_ACTIONS: Final = {"in": "Enter", "out": "Exit", "reversal": "Void", "refund": "Adjust"}
_CHIP: Final = "Smart card or ticket"
_DAY_MAX: Final = TIME_MS_MAX // DAY_MS

Row: TypeAlias = dict[str, object]
"""By the names of the columns; those that are left out have no value."""


class Movement(NamedTuple):
    """What a row tells besides what it has from its entry.

    Attributes:
      agency: the operator.
      amount_rp: what it got; below zero what it gave.
      action: a `fare_action`.
      programme: whose money or whose purse it was, if any.
      tap: the tap that it is, if it is one.
    """

    agency: str
    amount_rp: int
    action: str
    programme: str = ""
    tap: Named | None = None


def rows_of(found: FeedEntry) -> list[Row]:
    """Return the rows of an entry; none of one that was refused, or is no operator's business."""
    position, entry = found
    if entry.reason:
        return []
    return [
        _row(position, number, entry, movement)
        for number, movement in enumerate(_movements(entry), start=1)
    ]


def _movements(entry: Entry) -> Iterator[Movement]:
    lines = [(owner, rp) for kind, owner, rp in entry.postings if kind == OPERATOR_REVENUE]
    intent = named_intent(entry.intent)
    parts = intent.get("parts", [intent])
    assert isinstance(parts, list), "a group has parts"
    for part in parts:
        yield from _of_part(part, lines)
    # What no part speaks of: reversals, refunds, corrections, holds that were posted.
    kind = str(intent["kind"])
    action = _ACTIONS.get(kind, "Adjust" if kind == "adjustment" else "Other")
    for agency, amount_rp in lines:
        yield Movement(agency, amount_rp, action)


def _of_part(part: Named, lines: list[tuple[str, int]]) -> Iterator[Movement]:
    """Yield the movement that a part tells of, and take its line away.

    The two lines of a share are told as they are.
    """
    match part:
        case {"kind": "tap", "operator": str(operator), "amount_rp": int(amount_rp)}:
            # Without a line it moved nothing, or what it moved went to suspense.
            moved_rp = amount_rp if _take(lines, operator, amount_rp) else 0
            action = _ACTIONS[str(part["direction"])]
            yield Movement(operator, moved_rp, action, str(part.get("purse", "")), part)
        case {"kind": "subsidy", "operator": str(operator), "amount_rp": int(amount_rp)}:
            if _take(lines, operator, amount_rp):
                yield Movement(operator, amount_rp, "Other", str(part["programme"]))
        case _:
            pass


def _take(lines: list[tuple[str, int]], operator: str, amount_rp: int) -> bool:
    if (operator, amount_rp) not in lines:
        return False
    lines.remove((operator, amount_rp))
    return True


def _row(position: int, number: int, entry: Entry, movement: Movement) -> Row:
    tap = movement.tap or {}
    card = str(tap.get("card", "")) or _card_of(entry)
    return {
        "transaction_id": f"{entry.terminal}/{entry.counter}/{number}",
        "service_date": min(day_of(entry.at_ms), _DAY_MAX),
        "event_timestamp": entry.at_ms,
        "amount": movement.amount_rp,
        "currency_type": CURRENCY,
        "fare_action": movement.action,
        "device_id": entry.terminal,
        "stop_id": tap.get("place") or None,
        "num_riders": 1 if tap else None,
        "fare_media_id": _CHIP if tap.get("proof") else None,
        "fare_product": movement.programme or None,
        "fare_capped": False,
        "token_id": card or None,
        # An observer is not told: the cards that it sees are pseudonyms.
        "balance": entry.balance_rp if tap and not card.startswith(MARK) else None,
        "agency_id": movement.agency,
        "route_id": tap.get("line") or None,
        "posted_timestamp": entry.decided_ms,
        "journal_position": position,
    }


def _card_of(entry: Entry) -> str:
    card = named_intent(entry.intent).get("card")
    return str(card) if card else card_in(entry.postings)


def columns(rows: Sequence[Row], names: Sequence[str]) -> dict[str, list[object]]:
    """Return rows as columns."""
    return {name: [row.get(name) for row in rows] for name in names}
