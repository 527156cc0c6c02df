"""Money that leaves a purse for somebody."""

from __future__ import annotations

from collections.abc import Sequence

from engine.accounts import SUSPENSE, Account, purse_line
from engine.book import Book
from engine.card import Card
from engine.decisions.checks import account_or_suspense, purse_or_suspense, spending_doubts
from engine.moment import Moment
from engine.transaction import Purchase, Tap, Withdrawal
from engine.verdict import Doubt, Verdict, filed, refused


def pay(
    book: Book,
    card: Card | None,
    now: Moment,
    intent: Tap | Purchase | Withdrawal,
    payee: Account,
    *,
    advice: bool,
    others: Sequence[Doubt] = (),
) -> Verdict:
    """Decide a payment from a purse; `others` are doubts that were found already."""
    amount_rp = intent.amount_rp
    purse = None if card is None else card.purse(intent.purse)
    balance_rp = 0 if purse is None else purse.balance_rp
    doubts = spending_doubts(book, card, purse, now, intent, payee, advice=advice)
    doubts += others
    if doubts and not advice:
        return refused(*doubts[0], balance_rp=balance_rp)
    if not amount_rp:
        return filed((), balance_rp, doubts) if doubts else Verdict((), balance_rp)
    if not doubts:
        lines = (
            purse_line(intent.card, intent.purse, -amount_rp),
            (payee[0], payee[1], amount_rp),
        )
        return Verdict(lines, balance_rp - amount_rp)
    taken = purse_or_suspense(card, intent, -amount_rp)
    if taken[0] != SUSPENSE:
        balance_rp -= amount_rp
    return filed((taken, account_or_suspense(book, payee, amount_rp)), balance_rp, doubts)
