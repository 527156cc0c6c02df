"""The verdict on one intent, before it becomes an entry; and the names of the rules it cites."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, TypeAlias

from msgspec import Struct

from engine.accounts import Postings
from engine.errors import Reason
from engine.fares.state import Rating
from engine.tally import Tally

CARD_RULE: Final = "card.status"
"""What a card may be used for, by its status; a card's purses, holds and debts."""
MEDIUM_RULE: Final = "card.medium"
"""Stored value is spent on the chip (advice), an account on the host (authorisation)."""
ACCOUNT_RULE: Final = "account.name"
"""What may name an account, and how many there may be."""
ITEMS_RULE: Final = "purchase.items"
"""The lines of a bill add up to its amount."""
LEVY_RULE: Final = "levy"
"""A levy is paid once for a month, which is not too far from now."""
PRICE_RULE: Final = "purchase.programme"
"""Goods are sold at the price of a programme that has one."""
CHIP_RULE: Final = "card.chip"
"""An advice is believed if the chip of its card proves it, once, to the terminal that tells it."""
HOLD_RULE: Final = "hold"
"""A hold is posted or voided once, in time, up to its amount."""
GRANT_RULE: Final = "grant"
"""A card is granted a programme that is in force, as a group that it names, and not for ever."""
CASH_RULE: Final = "cash"
"""Money of a programme is paid out in cash only as far as an allowance of it says so."""
FUNDS_RULE: Final = "funds.apart"
"""Books balance, and can be counted; programme money, operators' money and float are kept apart.

Source: Pergub DKI Jakarta 145/2017, Pasal 15.
"""
TIME_RULE: Final = "tap.time"
"""A tap has its place among those of its card: neither later than now nor too old."""
FARE_RULE: Final = "fare"
"""A ride costs what a rule says, which has to know its service and its stations."""
RETURN_RULE: Final = "return.once"
"""What moved is given back once, in whole or in parts."""

# The rule of a return that was posted tells which sums it comes off; see engine.advance.
RETURN_TODAY: Final = "return.today"
RETURN_THIS_MONTH: Final = "return.this_month"
RETURN_CASH_TODAY: Final = "return.cash_today"
RETURN_CASH_THIS_MONTH: Final = "return.cash_this_month"
RETURN_UNCOUNTED: Final = "return.uncounted"


class Verdict(Struct, frozen=True, gc=False):
    """Postings, or the reason of a refusal with its rule.

    Attributes:
      balance_rp: of the purse that the intent is about; after the postings.
      detail: the field at fault, where there is one.
      exceptions: what the ledger dislikes in an advice that it posts all the same.
      rating, middle: where the card's rides stand after a tap that was rated, as in an entry.
      tally: what the card has had of programmes afterwards, where that changes.
    """

    postings: Postings = ()
    balance_rp: int = 0
    reason: Reason = Reason.NONE
    rule: str = ""
    detail: str = ""
    exceptions: tuple[Reason, ...] = ()
    rating: Rating | None = None
    middle: Rating | None = None
    tally: Tally | None = None


Doubt: TypeAlias = tuple[Reason, str, str]
"""Something against a transaction: reason, rule, and the field at fault (or the empty text)."""


def refused(reason: Reason, rule: str, detail: str = "", *, balance_rp: int = 0) -> Verdict:
    """Return a refusal that cites a rule."""
    return Verdict((), balance_rp, reason, rule, detail)


def filed(postings: Postings, balance_rp: int, doubts: Sequence[Doubt]) -> Verdict:
    """Return the verdict on an advice: posted, with what is to be said against it."""
    exceptions = tuple(dict.fromkeys(reason for reason, _, _ in doubts))
    _, rule, detail = doubts[0]
    return Verdict(postings, balance_rp, rule=rule, detail=detail, exceptions=exceptions)
