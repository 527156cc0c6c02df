"""Several purses on one card: in which order they pay for a purchase.

A purchase from the purse `*` is paid by those that the rule of the day names, in its order. Each
pays as much as it may: up to its balance, its limits and what is held on it, and where its
programme lists goods, for those of the bill that are on the list and that no purse before it has
paid. The card's own purse pays what is left: if it may not, all is refused, for its reason. Where
the rule lets no purchase be split, the first purse pays that may pay all.

What is set aside on a purse stays there. A purse that is in no rule never pays unasked.
"""

from __future__ import annotations

from collections.abc import Iterator

from msgspec.structs import replace

from engine.accounts import MERCHANT_PAYABLE, Postings
from engine.book import Book
from engine.card import Card
from engine.decisions.checks import limits_of, with_accounts
from engine.decisions.paying import pay
from engine.moment import Moment
from engine.purses import spend_room_rp
from engine.rules.kinds import PurseOrder
from engine.transaction import Purchase
from engine.verdict import Doubt, Verdict


def pay_in_order(
    book: Book,
    card: Card | None,
    now: Moment,
    intent: Purchase,
    order: PurseOrder,
    *,
    advice: bool,
    others: list[Doubt],
) -> Verdict:
    """Decide a payment by several purses; `others` are doubts that were found already."""
    payee = (MERCHANT_PAYABLE, intent.merchant)
    lines: Postings = ()
    left_rp = intent.amount_rp
    for programme, amount_rp in _shares(card, now, intent, order):
        share = replace(intent, purse=programme, amount_rp=amount_rp)
        verdict = pay(book, card, now, share, payee, advice=advice)
        if verdict.reason:
            return verdict
        lines += verdict.postings
        left_rp -= amount_rp
    rest = replace(intent, purse="", amount_rp=left_rp)
    then = with_accounts(book, lines)
    verdict = pay(then, card, now, rest, payee, advice=advice, others=others)
    if verdict.reason:
        return verdict
    rule = verdict.rule or order.version
    return replace(verdict, postings=lines + verdict.postings, rule=rule)


def _shares(
    card: Card | None, now: Moment, intent: Purchase, order: PurseOrder
) -> Iterator[tuple[str, int]]:
    """Yield the purses of programmes that pay, each with its amount."""
    bill = _Bill(intent)
    left_rp = intent.amount_rp
    for programme in order.purses[:-1]:
        purse = None if card is None else card.purse(programme)
        if card is None or purse is None:
            continue
        limits = limits_of(card, programme, now)
        room_rp = spend_room_rp(purse, card.held_rp(programme, now.ms), limits, now)
        amount_rp = min(left_rp, room_rp, bill.open_rp(now, programme))
        if amount_rp and (order.split or amount_rp == intent.amount_rp):
            bill.pay(now, programme, amount_rp)
            left_rp -= amount_rp
            yield programme, amount_rp


class _Bill:
    """What of a bill is not paid yet, line by line; one without lines is for unnamed goods."""

    def __init__(self, intent: Purchase) -> None:
        self._kind = intent.merchant_kind
        self._lines = [(item.name, item.amount_rp) for item in intent.items]
        if sum(amount_rp for _, amount_rp in self._lines) != intent.amount_rp:
            # Of a levy that is waived in part nobody knows which line is meant.
            self._lines = [("", intent.amount_rp)]

    def open_rp(self, now: Moment, programme: str) -> int:
        """Return what the purse of a programme may pay of it."""
        return sum(amount_rp for name, amount_rp in self._lines if self._may(now, programme, name))

    def pay(self, now: Moment, programme: str, amount_rp: int) -> None:
        """Take what a purse pays off the lines that it may pay, in their order."""
        for number, (name, open_rp) in enumerate(self._lines):
            if self._may(now, programme, name):
                paid_rp = min(open_rp, amount_rp)
                self._lines[number] = (name, open_rp - paid_rp)
                amount_rp -= paid_rp

    def _may(self, now: Moment, programme: str, name: str) -> bool:
        allowed = now.rules.of_programmes.spending_lists.get(programme)
        return allowed is None or (self._kind in allowed.merchant_kinds and name in allowed.goods)
