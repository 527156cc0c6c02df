"""The chart of accounts.

An account is a kind and an owner. Its balance is credits minus debits, in rupiah: what the
system owes to the owner. A purse of Rp10,000 stands at +10,000; a bank that has yet to hand over
the cash of a top-up stands below zero. The sum over all accounts is zero at every position.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Final, TypeAlias

from engine.limits import NAME_LENGTH_MAX

Account: TypeAlias = tuple[int, str]
"""Kind and owner."""

Posting: TypeAlias = tuple[int, str, int]
"""One line: kind, owner, amount in rupiah (positive is a credit)."""

Postings: TypeAlias = tuple[Posting, ...]


class AccountKind(IntEnum):
    """What an account is for. The numbers are stored in the journal and never reused."""

    PURSE = 1
    """Stored value of a card; the owner is the card."""
    PROGRAMME_PURSE = 2
    """Money that a programme gave to a card; the owner is `card/programme`."""
    OPERATOR_REVENUE = 3
    MERCHANT_PAYABLE = 4
    BANK_SETTLEMENT = 5
    """What a bank and the system owe each other."""
    BANK_IN_TRANSIT = 6
    """Taken by a bank for a card, and not yet on the card."""
    PROGRAMME_FUND = 7
    FEES = 8
    FLOAT = 9
    """Money at the bank that stands against the purses."""
    SUSPENSE = 10
    """Money whose owner is not known yet."""
    OWED_FARES = 11
    """What chips paid above the fares that were due; below zero: what is still to be paid."""


# Plain integers for the path of a tap: a lookup in the enum costs as much as the posting.
PURSE: Final[int] = AccountKind.PURSE.value
PROGRAMME_PURSE: Final[int] = AccountKind.PROGRAMME_PURSE.value
OPERATOR_REVENUE: Final[int] = AccountKind.OPERATOR_REVENUE.value
MERCHANT_PAYABLE: Final[int] = AccountKind.MERCHANT_PAYABLE.value
BANK_SETTLEMENT: Final[int] = AccountKind.BANK_SETTLEMENT.value
BANK_IN_TRANSIT: Final[int] = AccountKind.BANK_IN_TRANSIT.value
PROGRAMME_FUND: Final[int] = AccountKind.PROGRAMME_FUND.value
FEES: Final[int] = AccountKind.FEES.value
FLOAT: Final[int] = AccountKind.FLOAT.value
SUSPENSE: Final[int] = AccountKind.SUSPENSE.value
OWED_FARES: Final[int] = AccountKind.OWED_FARES.value

PROGRAMME_KINDS: Final = frozenset({PROGRAMME_PURSE, PROGRAMME_FUND})
"""Programme money: never mixed with any other.

Source: Pergub DKI Jakarta 145/2017, Pasal 15.
"""

OPERATOR_AND_FLOAT: Final = frozenset({OPERATOR_REVENUE, FLOAT})
"""What operators earned and what stands against the purses: never mixed with each other either."""

PURSE_KINDS: Final = frozenset({PURSE, PROGRAMME_PURSE, OWED_FARES})
"""Kept in the cards; in the chart of accounts only their totals stand, under `ALL_CARDS`."""

OWED: Final = "owed fares"
"""Stands for a programme in the name of the purse that holds what a card is owed; with its blank
no programme can have this name, so nothing is paid from there or topped up."""

ALL_CARDS: Final = "*"

IN_ORDER: Final = "*"
"""Named as a purse that pays: those of the card, in the order that a rule sets."""


def purse_owner(card: str, programme: str) -> str:
    """Return the owner of a programme's purse on a card."""
    return f"{card}/{programme}"


def purse_line(card: str, programme: str, amount_rp: int) -> Posting:
    """Return the line that moves an amount onto a purse (below zero: off it).

    The empty programme means the card's own purse, `OWED` what it is owed.
    """
    if programme == OWED:
        return (OWED_FARES, card, amount_rp)
    if programme:
        return (PROGRAMME_PURSE, purse_owner(card, programme), amount_rp)
    return (PURSE, card, amount_rp)


def purse_of(posting: Posting) -> tuple[str, str] | None:
    """Return card and programme of a line on a purse; None for any other account."""
    kind, owner, _ = posting
    if kind == PURSE:
        return owner, ""
    if kind == PROGRAMME_PURSE:
        card, _, programme = owner.partition("/")
        return card, programme
    if kind == OWED_FARES:
        return owner, OWED
    return None


def card_in(postings: Postings) -> str:
    """Return the card of the first line on a purse, or the empty name."""
    return next((purse[0] for line in postings if (purse := purse_of(line))), "")


def mix_funds(lines: Postings) -> bool:
    """Tell whether lines mix kinds of money that are kept apart."""
    kinds = {kind for kind, _, _ in lines}
    return len({kind in PROGRAMME_KINDS for kind in kinds}) > 1 or kinds >= OPERATOR_AND_FLOAT


def is_name(text: str) -> bool:
    """Tell whether a text may name a card, an operator, a bank or a programme.

    Printable ASCII without blanks, `/` and `*`, which have a meaning in account names; of a length
    that a name may have (in a correction there is room for two).
    """
    fits = 0 < len(text) <= NAME_LENGTH_MAX
    return fits and text.isascii() and text.isprintable() and not set(text) & set(" /*")
