"""What can be said against a movement of money: checks that several kinds of intent share.

A check returns what it doubts. An authorisation is refused for its first doubt; an advice tells
what has happened on a chip, so it is posted whatever the checks say, and what they say is filed.
"""

from __future__ import annotations

from copy import copy
from typing import Final, TypeAlias

from engine.accounts import (
    ALL_CARDS,
    OWED,
    PURSE_KINDS,
    SUSPENSE,
    Account,
    Posting,
    Postings,
    is_name,
    purse_line,
)
from engine.book import Book
from engine.card import ACTIVE, ENDED, Card, CardStatus, Purse
from engine.decisions.spending import unlisted_doubts
from engine.errors import Reason
from engine.limits import (
    ACCOUNTS_PER_KIND_MAX,
    ADJUSTMENT_LINES_MAX,
    BALANCE_RP_MAX,
    GROUP_PARTS_MAX,
    PURSES_PER_CARD_MAX,
)
from engine.moment import Moment
from engine.purses import EMPTY, changes_of, correction_refusal, spend_refusal
from engine.rules.purses import PurseLimits
from engine.transaction import Hold, Purchase, Tap, TopUp, Withdrawal
from engine.verdict import ACCOUNT_RULE, CARD_RULE, MEDIUM_RULE, Doubt, Verdict, refused

Spending: TypeAlias = Tap | Purchase | Hold | Withdrawal

_STATUS_REASONS: Final = {
    CardStatus.ACTIVE: Reason.NONE,
    CardStatus.BLOCKED: Reason.CARD_BLOCKED,
    CardStatus.REPLACED: Reason.CARD_REPLACED,
    CardStatus.CLOSED: Reason.CARD_CLOSED,
    CardStatus.UNISSUED: Reason.CARD_UNKNOWN,
}
_OPENED_AT_ONCE_MAX: Final = max(2 * GROUP_PARTS_MAX, ADJUSTMENT_LINES_MAX)
"""Accounts of one kind that one entry can open: a share has two of them."""
_WITHOUT_GOODS: Final = frozenset({Tap, Hold})
"""What is no purchase of goods, nor cash."""
_PAYEE_FIELDS: Final = {
    Tap: "operator",
    Purchase: "merchant",
    Hold: "payee_name",
    Withdrawal: "bank",
}


def card_refusal(card: Card | None) -> Reason:
    """Tell why a card may not be used, or NONE."""
    return Reason.CARD_UNKNOWN if card is None else _STATUS_REASONS[card.status]


def card_doubts(card: Card | None) -> list[Doubt]:
    """Return why a card may not be used."""
    if card is not None and card.status is ACTIVE:
        return []
    return [(card_refusal(card), CARD_RULE, "card")]


def living(card: Card | None) -> Card | Verdict:
    """Return a card that was issued and has not ended, blocked or not; else the refusal."""
    if card is None or card.status in ENDED or card.status is CardStatus.UNISSUED:
        balance_rp = 0 if card is None else card.main.balance_rp
        return refused(card_refusal(card), CARD_RULE, "card", balance_rp=balance_rp)
    return card


def account_refusal(book: Book, account: Account) -> Reason:
    """Tell why an account may not be opened, or NONE; one that exists is fine."""
    kind, owner = account
    owners = book.accounts[kind]
    if owner in owners:
        return Reason.NONE
    if not is_name(owner):
        return Reason.ACCOUNT_NAME
    return Reason.ACCOUNT_LIMIT if len(owners) >= ACCOUNTS_PER_KIND_MAX else Reason.NONE


def account_doubts(book: Book, account: Account, field: str) -> list[Doubt]:
    """Return why an account, named in a field, may not be opened."""
    reason = account_refusal(book, account)
    return [(reason, ACCOUNT_RULE, field)] if reason else []


def with_accounts(book: Book, lines: Postings) -> Book:
    """Return the book with the accounts that lines open, for what is decided after them.

    Nothing but the room that is left depends on it: while there is plenty, it is the book itself.
    """
    opened = [
        (kind, owner)
        for kind, owner, _ in lines
        if kind not in PURSE_KINDS
        and owner not in book.accounts[kind]
        and len(book.accounts[kind]) >= ACCOUNTS_PER_KIND_MAX - _OPENED_AT_ONCE_MAX
    ]
    if not opened:
        return book
    draft = copy(book)
    draft.accounts = dict(book.accounts)
    for kind, owner in opened:
        draft.accounts[kind] = {**draft.accounts[kind], owner: 0}
    return draft


def opening_doubts(card: Card | None, intent: Spending | TopUp) -> list[Doubt]:
    """Return why a purse that is not there yet cannot be opened."""
    doubts: list[Doubt] = []
    if card is None and not is_name(intent.card):
        doubts.append((Reason.ACCOUNT_NAME, ACCOUNT_RULE, "card"))
    if intent.purse and not is_name(intent.purse):
        doubts.append((Reason.ACCOUNT_NAME, ACCOUNT_RULE, "purse"))
    if card is not None and len(card.programmes) >= PURSES_PER_CARD_MAX:
        doubts.append((Reason.PURSE_LIMIT, CARD_RULE, "purse"))
    return doubts


def spending_doubts(
    book: Book,
    card: Card | None,
    purse: Purse | None,
    now: Moment,
    intent: Spending,
    payee: Account,
    *,
    advice: bool = False,
    amount_rp: int | None = None,
) -> list[Doubt]:
    """Return what is to be said against paying from a purse of a card (None: not there).

    The amount is that of the intent, if no other is given.
    """
    programme = intent.purse
    if amount_rp is None:
        amount_rp = intent.amount_rp
    doubts = [] if card is not None and card.status is ACTIVE else card_doubts(card)
    if card is not None and (card.medium == "account") is advice:
        doubts.append(medium_doubt(card))
    if purse is None or programme == OWED:
        doubts += missing_doubts(card, intent)
        purse = EMPTY
    if programme and type(intent) in _WITHOUT_GOODS:
        doubts += unlisted_doubts(now, programme)
    if payee[1] not in book.accounts[payee[0]]:
        doubts += account_doubts(book, payee, _PAYEE_FIELDS[type(intent)])
    held_rp = card.held_rp(programme, now.ms) if card is not None and card.holds else 0
    registered = card is not None and card.registered
    limits = now.rules.limits_of(programme, registered=registered)
    if reason := spend_refusal(purse, amount_rp, held_rp, limits, now):
        doubts.append((reason, limits.rule, "amount_rp"))
    return doubts


def missing_doubts(card: Card | None, intent: Spending) -> list[Doubt]:
    """Return what is to be said against paying from a purse that is not there."""
    unknown: Doubt = (Reason.PURSE_UNKNOWN, CARD_RULE, "purse")
    return ([] if card is None else [unknown]) + opening_doubts(card, intent)


def medium_doubt(card: Card) -> Doubt:
    """Return the doubt about a card that is used as its medium does not allow."""
    stored = card.medium == "stored"
    reason = Reason.MEDIUM_IS_STORED if stored else Reason.MEDIUM_IS_ACCOUNT
    return reason, MEDIUM_RULE, "proof"


def limits_of(card: Card | None, programme: str, now: Moment) -> PurseLimits:
    """Return the limits of a purse that are in force at a moment."""
    return now.rules.limits_of(programme, registered=card is not None and card.registered)


def purse_now(card: Card | None, programme: str) -> Purse:
    """Return a purse as it stands, an empty one where there is none."""
    return (card.purse(programme) if card is not None else None) or EMPTY


def purse_or_suspense(card: Card | None, intent: Spending | TopUp, amount_rp: int) -> Posting:
    """Return the line of an advice on a purse; in suspense where the purse cannot exist."""
    exists = card is not None and card.purse(intent.purse) is not None
    if (exists and intent.purse != OWED) or not opening_doubts(card, intent):
        return purse_line(intent.card, intent.purse, amount_rp)
    return (SUSPENSE, "purse", amount_rp)


def account_or_suspense(book: Book, account: Account, amount_rp: int) -> Posting:
    """Return the line of an advice on an account; in suspense where it cannot be opened."""
    kind, owner = account
    if account_refusal(book, account):
        return (SUSPENSE, "account", amount_rp)
    return (kind, owner, amount_rp)


def correction_doubts(card: Card, changes: dict[str, int], now: Moment) -> list[Doubt]:
    """Return what is to be said against changing balances outside of a payment.

    On a card that has ended a balance may only come nearer to zero.
    """
    doubts: list[Doubt] = []
    for programme, amount_rp in changes.items():
        purse = purse_now(card, programme)
        if card.status in ENDED and not _nearer_to_zero(purse.balance_rp, amount_rp):
            doubts.append((card_refusal(card), CARD_RULE, ""))
        held_rp = card.held_rp(programme, now.ms)
        limits = limits_of(card, programme, now)
        if reason := correction_refusal(purse, amount_rp, held_rp, limits):
            doubts.append((reason, limits.rule, ""))
    return doubts


def leads_too_far(book: Book, card: Card | None, lines: Postings) -> bool:
    """Tell whether lines take an account, or a purse of a card, farther from zero than it may be.

    One that stands there already may come nearer.
    """
    moved: dict[Account, int] = {}
    for kind, owner, amount_rp in lines:
        account = (kind, ALL_CARDS if kind in PURSE_KINDS else owner)
        moved[account] = moved.get(account, 0) + amount_rp
    changes = [(book.accounts[kind].get(owner, 0), rp) for (kind, owner), rp in moved.items()]
    if card is not None:
        purses = changes_of(card, lines).items()
        changes += [(purse_now(card, programme).balance_rp, rp) for programme, rp in purses]
    return any(abs(old_rp + rp) > max(abs(old_rp), BALANCE_RP_MAX) for old_rp, rp in changes)


def _nearer_to_zero(balance_rp: int, amount_rp: int) -> bool:
    return min(0, balance_rp) <= balance_rp + amount_rp <= max(0, balance_rp)
