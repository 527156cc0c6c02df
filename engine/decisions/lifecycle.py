"""The life of a card: issued, blocked, unblocked, registered, replaced, closed."""

from __future__ import annotations

from typing import assert_never

from engine.accounts import (
    BANK_SETTLEMENT,
    PROGRAMME_FUND,
    Account,
    Posting,
    is_name,
    purse_line,
)
from engine.book import Book
from engine.card import ENDED, Card, CardStatus
from engine.decisions.checks import account_refusal, card_refusal, living, purse_now
from engine.decisions.proofs import bound_elsewhere
from engine.errors import Reason
from engine.limits import PURSES_PER_CARD_MAX
from engine.moment import Moment
from engine.transaction import Block, Close, Identify, Issue, Replace, Unblock
from engine.verdict import ACCOUNT_RULE, CARD_RULE, CHIP_RULE, HOLD_RULE, Verdict, refused


def decide_life(
    book: Book,
    card: Card | None,
    now: Moment,
    intent: Issue | Block | Unblock | Replace | Close | Identify,
) -> Verdict:
    """Decide a step in the life of a card."""
    match intent:
        case Issue():
            return _issue(book, card, intent)
        case Block():
            return _in_status(card, CardStatus.ACTIVE, Reason.NONE)
        case Unblock():
            return _in_status(card, CardStatus.BLOCKED, Reason.CARD_NOT_BLOCKED)
        case Identify():
            return _identify(card, intent)
        case Replace():
            return _replace(book, card, intent)
        case Close():
            return _close(card, now)
        case _:
            assert_never(intent)


def _issue(book: Book, card: Card | None, intent: Issue) -> Verdict:
    # A card that an advice was faster to tell of can be issued: it keeps what happened on it.
    if not is_name(intent.card):
        return refused(Reason.ACCOUNT_NAME, ACCOUNT_RULE, "card")
    if reason := account_refusal(book, (BANK_SETTLEMENT, intent.bank)):
        return refused(reason, ACCOUNT_RULE, "bank")
    balance_rp = 0 if card is None else card.main.balance_rp
    if card is not None and card.status is not CardStatus.UNISSUED:
        return refused(Reason.CARD_EXISTS, CARD_RULE, "card", balance_rp=balance_rp)
    if not _may_be_bound(book, intent.chip, intent.card):
        return refused(Reason.CHIP_MISMATCH, CHIP_RULE, "chip", balance_rp=balance_rp)
    return Verdict((), balance_rp)


def _may_be_bound(book: Book, chip: bytes | None, *cards: str) -> bool:
    """Tell whether a chip is bound to none but these cards, or to one that has ended."""
    bound = bound_elsewhere(book, chip, cards[0]) if chip else ""
    other = book.cards.get(bound) if bound else None
    return other is None or bound in cards or other.status in ENDED


def _in_status(card: Card | None, status: CardStatus, otherwise: Reason) -> Verdict:
    balance_rp = 0 if card is None else card.main.balance_rp
    if card is not None and card.status is status:
        return Verdict((), balance_rp)
    return refused(card_refusal(card) or otherwise, CARD_RULE, "card", balance_rp=balance_rp)


def _identify(card: Card | None, intent: Identify) -> Verdict:
    # A blocked card too: its holder may have come to the bank because of that.
    alive = living(card)
    if isinstance(alive, Verdict):
        return alive
    balance_rp = alive.main.balance_rp
    if not is_name(intent.holder):
        return refused(Reason.ACCOUNT_NAME, ACCOUNT_RULE, "holder", balance_rp=balance_rp)
    if alive.registered:
        return refused(Reason.CARD_REGISTERED, CARD_RULE, "card", balance_rp=balance_rp)
    return Verdict((), balance_rp)


def _replace(book: Book, card: Card | None, intent: Replace) -> Verdict:
    # All purses move, debts and holds too: a stolen card is replaced at once.
    ending = living(card)
    if isinstance(ending, Verdict):
        return ending
    balance_rp = ending.main.balance_rp
    if not is_name(intent.new_card):
        return refused(Reason.ACCOUNT_NAME, ACCOUNT_RULE, "new_card", balance_rp=balance_rp)
    # As with an issue, an advice may have been faster to tell of the new card.
    known = book.cards.get(intent.new_card)
    if known is not None and known.status is not CardStatus.UNISSUED:
        return refused(Reason.CARD_EXISTS, CARD_RULE, "new_card", balance_rp=balance_rp)
    if known is not None and _purses_of_both(ending, known) > PURSES_PER_CARD_MAX:
        return refused(Reason.PURSE_LIMIT, CARD_RULE, "new_card", balance_rp=balance_rp)
    if not _may_be_bound(book, intent.chip, intent.new_card, intent.card):
        return refused(Reason.CHIP_MISMATCH, CHIP_RULE, "chip", balance_rp=balance_rp)
    lines: list[Posting] = []
    for programme, amount_rp in _balances(ending):
        lines += [
            purse_line(ending.id, programme, -amount_rp),
            purse_line(intent.new_card, programme, amount_rp),
        ]
    return Verdict(tuple(lines), balance_rp + purse_now(known, "").balance_rp)


def _purses_of_both(one: Card, other: Card) -> int:
    return len({name for name, _ in (*one.programmes, *other.programmes)})


def _close(card: Card | None, now: Moment) -> Verdict:
    # Money goes to the card's bank, programme money to its programme. A debt is nobody's to take
    # over: an officer's adjustment must say first who bears it.
    ending = living(card)
    if isinstance(ending, Verdict):
        return ending
    if ending.open_holds(now.ms):
        return refused(Reason.HOLDS_OPEN, HOLD_RULE, "card", balance_rp=ending.main.balance_rp)
    lines: list[Posting] = []
    for programme, amount_rp in _balances(ending):
        if amount_rp < 0:
            return refused(Reason.BELOW_FLOOR, CARD_RULE, "card", balance_rp=ending.main.balance_rp)
        lines.append(purse_line(ending.id, programme, -amount_rp))
        kind, owner = _heir(ending, programme)
        lines.append((kind, owner, amount_rp))
    return Verdict(tuple(lines))


def _heir(card: Card, programme: str) -> Account:
    return (PROGRAMME_FUND, programme) if programme else (BANK_SETTLEMENT, card.bank)


def _balances(card: Card) -> list[tuple[str, int]]:
    purses = [("", card.main), *card.programmes]
    return [(programme, purse.balance_rp) for programme, purse in purses if purse.balance_rp]
