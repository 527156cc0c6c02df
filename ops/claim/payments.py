"""Payments of a programme's fund, as the lines of entries tell of them.

A line on a fund tells how much, and the line that follows it tells to whom. Only rides that were
rated may be of several operators: what the fund pays is divided among these as they were paid
(grade D: the law is silent), which is exact where it pays all of the fare. What came back has the
other sign.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from engine.accounts import MERCHANT_PAYABLE, OPERATOR_REVENUE, PROGRAMME_FUND, PROGRAMME_PURSE
from engine.advance import card_of
from engine.book import FindEntry
from engine.calendar import date_of_day, day_of
from engine.transaction import (
    Entry,
    Group,
    Intent,
    Refund,
    Reversal,
    Tap,
)

_FUND: Final = PROGRAMME_FUND
_PAYEES: Final = frozenset({OPERATOR_REVENUE, MERCHANT_PAYABLE})
_GROUP: Final = "group"
_PARTS: Final = {
    OPERATOR_REVENUE: "subsidy",
    MERCHANT_PAYABLE: "purchase",
    PROGRAMME_PURSE: "top_up",
}
"""What a part of a group is that pays from a fund into an account of a kind."""

RIDE: Final = "ride"
"""The kind of what taps that were rated have moved; other kinds have the name of their intent."""


class Payment(Struct, frozen=True, array_like=True, tag=True, gc=False):
    """What a fund has paid to somebody by one entry; below zero: what came back.

    Attributes:
      card: of whose holder; empty where no card is named.
      kind: `RIDE`, or the name of the intent.
      operator: to whom, an operator or a merchant; empty where neither was paid.
      service, line: of the tap by which it was paid; empty where that tells none.
      month: in which it was decided, `2026-11`.
      rides: 1 for the first payment of a tap that was rated, else 0.
    """

    card: str
    kind: str
    operator: str
    service: str
    line: str
    month: str
    rides: int
    amount_rp: int


def payments_of(entry: Entry, programme: str, find: FindEntry) -> list[Payment]:
    """Return the payments of a programme's fund by one entry; together they are its lines.

    Args:
      entry: of the journal.
      programme: whose fund.
      find: looks up what a reversal or a refund refers to.
    """
    amounts = [rp for kind, owner, rp in entry.postings if (kind, owner) == (_FUND, programme)]
    if not amounts:
        return []
    fund_rp, intent = -sum(amounts), entry.intent
    about: Entry | None = entry
    if isinstance(intent, Reversal | Refund):
        about = find(intent.terminal, intent.counter)
    kind = name_of(intent) if entry.rating is None else RIDE
    if about is None or about.rating is not None:
        return _divided(entry, about or entry, kind, fund_rp)
    return list(_paired(entry, about, kind, programme))


def name_of(intent: Intent) -> str:
    """Return the name of an intent, by which it is sent."""
    return str(intent.__struct_config__.tag)


def _paired(entry: Entry, about: Entry, kind: str, programme: str) -> Iterator[Payment]:
    """Yield a payment for each line on the fund: the line that follows it tells what it paid."""
    for number, (account, owner, amount_rp) in enumerate(entry.postings):
        if (account, owner) != (_FUND, programme):
            continue
        payee, name, paid_rp = next(iter(entry.postings[number + 1 :]), (0, "", 0))
        if paid_rp != -amount_rp:
            payee, name = 0, ""
        of_part = kind if kind != _GROUP else _PARTS.get(payee, _GROUP)
        operator = name if payee in _PAYEES else ""
        yield _payment(entry, about, of_part, operator, -amount_rp)


def _divided(entry: Entry, about: Entry, kind: str, fund_rp: int) -> list[Payment]:
    """Return the payments to the operators of an entry, which is about another one or itself."""
    operators: dict[str, int] = {}
    for account, owner, amount_rp in entry.postings:
        if account in _PAYEES:
            operators[owner] = operators.get(owner, 0) + amount_rp
    sum_rp = sum(operators.values())
    if not sum_rp:
        intent = about.intent
        operators, sum_rp = {intent.operator if isinstance(intent, Tap) else "": 1}, 1
    found: list[Payment] = []
    so_far = told = 0
    for operator, amount_rp in operators.items():
        so_far += amount_rp
        share_rp = fund_rp * so_far // sum_rp - told
        told += share_rp
        found.append(_payment(entry, about, kind, operator, share_rp))
    if kind == RIDE:
        # An entry is one ride, whoever shares in it.
        most = max(range(len(found)), key=lambda number: abs(found[number].amount_rp))
        found[most] = replace(found[most], rides=1)
    return found


def _payment(entry: Entry, about: Entry, kind: str, operator: str, amount_rp: int) -> Payment:
    intent = about.intent
    parts: Sequence[Intent] = intent.parts if isinstance(intent, Group) else (intent,)
    tap = next((part for part in parts if isinstance(part, Tap)), None)
    service, line = ("", "") if tap is None else (tap.service, tap.line)
    month = f"{date_of_day(day_of(entry.decided_ms)):%Y-%m}"
    card = card_of(intent, about.postings)
    return Payment(card, kind, operator, service, line, month, 0, amount_rp)
