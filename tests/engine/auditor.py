"""Watches a ledger entry by entry, and complains about what money must never do.

It keeps its own figures and shares no arithmetic with the engine, so that a defect there shows.
"""

from __future__ import annotations

from dataclasses import astuple
from typing import Final

from engine.book import Book
from engine.card import CardStatus
from engine.errors import Reason
from engine.rules.purses import PurseRules
from engine.transaction import (
    Adjustment,
    Block,
    Close,
    Entry,
    Grant,
    Group,
    Hold,
    Identify,
    Issue,
    Post,
    Purchase,
    Refund,
    Replace,
    Reversal,
    Revoke,
    Tap,
    TopUp,
    Unblock,
    Void,
    Withdrawal,
)
from tests.engine.figures import (
    BANK,
    FLOAT,
    FUND,
    MERCHANT,
    OPERATOR,
    PROGRAMME_PURSE,
    SUSPENSE,
    Figures,
    Held,
    Net,
    day_in_jakarta,
    may_be_a_name,
    net,
    plus,
    purse,
)
from tests.engine.money_checks import LIMITS, limits_broken

HOMELESS: Final = {Reason.ACCOUNT_NAME, Reason.ACCOUNT_LIMIT, Reason.PURSE_LIMIT}
PAYEES: Final = {"operator": OPERATOR, "merchant": MERCHANT}


class Violation(AssertionError):
    """Something happened that must never happen."""


def demand(fine: object, complaint: str, entry: Entry) -> None:
    """Complain unless all is fine."""
    if not fine:
        raise Violation(f"{complaint}: {entry}")


def is_advice(entry: Entry) -> bool:
    intent = entry.intent
    parts = intent.parts if isinstance(intent, Group) else (intent,)
    return any(getattr(part, "proof", None) is not None for part in parts)


class Auditor:
    """Follows one ledger from its first entry on."""

    def __init__(self) -> None:
        self.figures = Figures()
        self.position = 0

    def check(self, entry: Entry, rules: PurseRules, book: Book) -> None:
        """Check an entry that was just applied to a book.

        Raises:
          Violation: of what money must never do.
        """
        demand(not sum(line[2] for line in entry.postings), "it does not balance", entry)
        demand(not (entry.reason and entry.postings), "refused, and it moves money", entry)
        self._check_limits(entry, rules)
        if entry.posted:
            self._check_permission(entry)
            self._check_lines(entry)
            self._take(entry)
            self._check_purses(entry, rules)
            self._check_funds(entry)
        else:
            self._check_refusal(entry)
        self.figures.entries[entry.terminal, entry.counter] = entry
        self._follow(entry, book)
        self._compare(entry, book)
        self.position += 1

    # --- before it counts ---------------------------------------------------------------------

    def _check_limits(self, entry: Entry, rules: PurseRules) -> None:
        broken = limits_broken(self.figures, entry.intent, rules, entry.decided_ms)
        everything = set().union(*broken)
        if isinstance(entry.intent, Tap | Purchase | TopUp | Hold | Group | Withdrawal):
            if entry.posted and not is_advice(entry):
                demand(not everything, f"posted over {everything}", entry)
            if entry.posted:
                filed = LIMITS & set(entry.exceptions)
                demand(filed <= everything, "filed without need", entry)
                demand(bool(filed) == bool(everything), f"not filed: {everything}", entry)
            elif entry.reason in LIMITS:
                part = int(entry.detail[6:].partition("]")[0]) if len(broken) > 1 else 0
                demand(entry.reason in broken[part], "refused without need", entry)

    def _check_refusal(self, entry: Entry) -> None:
        intent, figures = entry.intent, self.figures
        demand(not is_advice(entry), "an advice was refused", entry)
        if isinstance(intent, Refund | Reversal) and entry.reason is Reason.AMOUNT_EXCEEDED:
            original = (intent.terminal, intent.counter)
            wanted_rp = intent.amount_rp if isinstance(intent, Refund) else 1
            left_rp = _volume_rp(figures.entries[original]) - figures.returned[original]
            demand(wanted_rp > left_rp, "not given back without need", entry)
        if isinstance(intent, Grant) and entry.reason is Reason.ALREADY_GRANTED:
            today = _numbers(entry.decided_ms)[0]
            demand(figures.others(intent, today), "not granted without need", entry)
        if isinstance(intent, Post | Void) and entry.reason in (
            Reason.HOLD_EXPIRED,
            Reason.HOLD_UNKNOWN,
        ):
            held = figures.holds.get((intent.terminal, intent.counter))
            missing = not held or held.expires_ms <= entry.decided_ms
            elsewhere = held and held.card != figures.heir(intent.card)
            demand(missing or elsewhere, "a hold was forgotten", entry)

    def _check_lines(self, entry: Entry) -> None:
        stray = plus(net(entry.postings), self.figures.lines(entry), -1)
        if not stray:
            return
        demand(HOMELESS & set(entry.exceptions), f"lines that are not meant, {stray}", entry)
        homeless = [account for account in stray if account[0] != SUSPENSE]
        for kind, owner in homeless:
            card, _, programme = owner.partition("/")
            names = (card, programme) if kind == PROGRAMME_PURSE else (owner,)
            well_named = all(may_be_a_name(name) for name in names)
            full = Reason.PURSE_LIMIT in entry.exceptions and kind == PROGRAMME_PURSE
            demand(full or not well_named, f"{owner} has a place in the books", entry)

    def _check_permission(self, entry: Entry) -> None:
        intent, figures, now_ms = entry.intent, self.figures, entry.decided_ms
        status = figures.status.get(intent.card)
        payments = Tap | Purchase | TopUp | Hold | Group | Withdrawal
        if isinstance(intent, payments) and not is_advice(entry):
            in_use = status is CardStatus.ACTIVE or not intent.card
            demand(in_use, "the card is not in use", entry)
        if isinstance(intent, Group):
            cards = {part.card for part in intent.parts if part.card}
            filed = Reason.GROUP_CARDS in entry.exceptions
            demand(filed == (len(cards) > 1), "two cards in a group are not filed", entry)
        if isinstance(intent, Tap | Purchase | TopUp | Withdrawal) and is_advice(entry):
            fine = status is CardStatus.ACTIVE
            demand(fine or entry.exceptions, "no exception for this card", entry)
        if isinstance(intent, Tap | Purchase | Hold | Withdrawal) and not is_advice(entry):
            demand(figures.medium[intent.card] == "account", "spent without the chip", entry)
        if isinstance(intent, Post | Void):
            held = figures.holds.get((intent.terminal, intent.counter))
            demand(held and held.expires_ms > now_ms, "there is no such hold", entry)
            taken_rp = intent.amount_rp if isinstance(intent, Post) else 0
            demand(held and taken_rp <= held.amount_rp, "more than was held", entry)
        if isinstance(intent, Grant):
            today = _numbers(now_ms)[0]
            demand(not figures.others(intent, today), "granted twice", entry)
            demand(intent.until_day >= today, "granted for the past", entry)
        if isinstance(intent, Close):
            held_on = {h.card for h in figures.holds.values() if h.expires_ms > now_ms}
            demand(intent.card not in held_on, "ended with open holds", entry)
        if isinstance(intent, Refund | Reversal):
            original = (intent.terminal, intent.counter)
            demand(original in figures.entries, "there is no original", entry)
            whole_rp = _volume_rp(figures.entries[original])
            given_rp = figures.returned[original] + _volume_rp(entry)
            demand(given_rp <= whole_rp, "more is given back than was taken", entry)

    # --- making it count ----------------------------------------------------------------------

    def _take(self, entry: Entry) -> None:
        figures, intent, identity = self.figures, entry.intent, (entry.terminal, entry.counter)
        if isinstance(intent, Refund | Reversal):
            original = (intent.terminal, intent.counter)
            back = figures.returned_part(intent)
            figures.left[original] = plus(figures.left[original], back)
            figures.returned[original] += _volume_rp(entry)
        figures.left[identity] = net(entry.postings)
        figures.balances.update(net(entry.postings))
        self._count(entry)
        self._take_status(entry)
        if isinstance(intent, Hold):
            expires_ms = entry.decided_ms + intent.expires_after_ms
            payee = (PAYEES[intent.payee], intent.payee_name)
            account = purse(intent.card, intent.purse)
            figures.holds[identity] = Held(
                intent.card, account, payee, intent.amount_rp, expires_ms
            )
        if isinstance(intent, Post | Void):
            del figures.holds[intent.terminal, intent.counter]

    def _count(self, entry: Entry) -> None:
        intent, when = entry.intent, day_in_jakarta(entry.decided_ms)
        if isinstance(intent, Refund | Reversal):
            original = self.figures.entries[intent.terminal, intent.counter]
            then = day_in_jakarta(original.decided_ms)
            if isinstance(original.intent, Adjustment) or (then.year, then.month) != (
                when.year,
                when.month,
            ):
                return
            self.figures.count(entry.postings, when, -1, in_day=then == when)
            intent = original.intent
        elif not isinstance(intent, Adjustment | Close | Replace):
            self.figures.count(entry.postings, when)
        if isinstance(intent, Withdrawal):
            self.figures.count_cash(entry.postings, when)

    def _take_status(self, entry: Entry) -> None:
        figures, intent = self.figures, entry.intent
        card = intent.card
        match intent:
            case Issue():
                figures.status[card], figures.medium[card] = CardStatus.ACTIVE, intent.medium
                figures.registered[card], figures.bank[card] = intent.registered, intent.bank
            case Block():
                figures.status[card] = CardStatus.BLOCKED
            case Unblock():
                figures.status[card] = CardStatus.ACTIVE
            case Close():
                figures.status[card] = CardStatus.CLOSED
                figures.end_grants(card)
            case Grant():
                figures.grant(intent)
            case Identify():
                figures.registered[card] = True
            case Revoke():
                del figures.grants[card, intent.programme]
            case Replace():
                new = intent.new_card
                figures.status[card], figures.status[new] = CardStatus.REPLACED, CardStatus.ACTIVE
                figures.successor[card] = new
                figures.hand_on(card, new)
                figures.end_grants(card, new)
                figures.medium[new], figures.bank[new] = figures.medium[card], figures.bank[card]
                figures.registered[new] = figures.registered[card]
            case _:
                if card and may_be_a_name(card):
                    figures.status.setdefault(card, CardStatus.UNISSUED)
                    figures.medium.setdefault(card, "stored")

    # --- after it counted ---------------------------------------------------------------------

    def _check_purses(self, entry: Entry, rules: PurseRules) -> None:
        figures, moves = self.figures, net(entry.postings)
        if isinstance(entry.intent, Close):
            for kind, owner in figures.balances:
                of_card = kind <= PROGRAMME_PURSE and owner.partition("/")[0] == entry.intent.card
                empty = not figures.balances[kind, owner]
                demand(empty or not of_card, "closed with money on it", entry)
        if is_advice(entry) or isinstance(entry.intent, Replace):
            return
        for account, rp in moves.items():
            if account[0] > PROGRAMME_PURSE:
                continue
            limits, balance_rp = figures.limits(account, rules), figures.balances[account]
            taken = isinstance(entry.intent, Post | Close)
            held_rp = 0 if taken else figures.held_rp(account, entry.decided_ms)
            if rp < 0 and not isinstance(entry.intent, Close):
                demand(balance_rp - held_rp >= limits.floor_rp, "below its floor", entry)
            if rp > 0 and limits.ceiling_rp is not None:
                demand(balance_rp <= limits.ceiling_rp, "above its ceiling", entry)

    def _check_funds(self, entry: Entry) -> None:
        """Programme money may only go out, and only to those who give a service."""
        homeless = (HOMELESS | {Reason.GROUP_CARDS}) & set(entry.exceptions)
        if isinstance(entry.intent, Refund | Reversal) or homeless:
            return
        kinds = {kind for kind, _, _ in entry.postings}
        demand(not {OPERATOR, FLOAT} <= kinds, "operators' money and float are mixed", entry)
        moves = net(entry.postings).items()
        out_rp = -sum(rp for (kind, _), rp in moves if kind in (PROGRAMME_PURSE, FUND))
        paid_kinds = (OPERATOR, MERCHANT, BANK)[: 3 if isinstance(entry.intent, Withdrawal) else 2]
        paid_rp = sum(rp for (kind, _), rp in moves if kind in paid_kinds)
        demand(out_rp >= 0, "money came to a programme", entry)
        demand(out_rp == 0 or out_rp <= paid_rp, "programme money went astray", entry)

    def _follow(self, entry: Entry, book: Book) -> None:
        """Check that the entries of each card form one chain."""
        figures, intent = self.figures, entry.intent
        card = intent.card
        if isinstance(intent, Refund | Reversal):
            owners = [line[1] for line in entry.postings if line[0] <= PROGRAMME_PURSE]
            card = owners[0].partition("/")[0] if owners else ""
        if isinstance(intent, Post | Void) and entry.posted:
            card = figures.heir(card)
        demand(entry.previous == figures.last.get(card, -1), "the chain is broken", entry)
        if card in figures.status:
            figures.last[card] = self.position
            now = book.cards.get(card)
            demand(now and now.last == self.position, "the card does not know its last", entry)
        if isinstance(intent, Replace) and entry.posted:
            figures.last[intent.new_card] = self.position

    def _compare(self, entry: Entry, book: Book) -> None:
        """Check that the book holds what the figures say, purse by purse."""
        figures = self.figures
        totals: Net = net(
            (k, "*" if k <= PROGRAMME_PURSE else o, rp) for (k, o), rp in figures.balances.items()
        )
        accounts = net(
            (kind, owner, rp)
            for kind, owners in book.accounts.items()
            for owner, rp in owners.items()
        )
        demand(accounts == totals, "the accounts are not the sum of the entries", entry)
        demand(not accounts.total(), "the sum over all accounts is not zero", entry)
        purses: Net = net(
            (*purse(name, programme), found.balance_rp)
            for name in figures.status
            if (card := book.cards.get(name))
            for programme, found in (("", card.main), *card.programmes)
        )
        ours = net(
            (*account, rp)
            for account, rp in figures.balances.items()
            if account[0] <= PROGRAMME_PURSE
        )
        demand(purses == ours, "the purses are not the sum of the entries", entry)
        for original, returned_rp in figures.returned.items():
            demand(book.returned.get(original) == returned_rp, "a return is forgotten", entry)
        today = _numbers(entry.decided_ms)[0]
        for (name, programme), granted in figures.grants.items():
            found = book.holders.get(f"{programme}/{granted.holder}")
            demand(found == name or granted.until_day < today, "a holder is forgotten", entry)
        for name, status in figures.status.items():
            self._compare_card(entry, book, name, status)

    def _compare_card(self, entry: Entry, book: Book, name: str, status: CardStatus) -> None:
        figures, when = self.figures, day_in_jakarta(entry.decided_ms)
        month = (when.year, when.month)
        card = book.cards.get(name)
        if card is None:
            raise Violation(f"card {name} is gone: {entry}")
        demand(card.status is status, f"{name} is not {status}", entry)
        registered = figures.registered.get(name, False)
        demand(card.registered is registered, f"{name} is registered, or is not", entry)
        held = {
            identity
            for identity, hold in figures.holds.items()
            if hold.card == name and hold.expires_ms > entry.decided_ms
        }
        known = {(hold.terminal, hold.counter) for hold in card.open_holds(entry.decided_ms)}
        demand(known == held, f"the holds of {name} are others", entry)
        granted = {
            one.programme: (one.group, one.holder, one.since_day, one.until_day)
            for one in card.grants
        }
        ours_granted = {
            programme: astuple(one)
            for (of_card, programme), one in figures.grants.items()
            if of_card == name
        }
        demand(granted == ours_granted, f"the grants of {name} are others", entry)
        day, month_number = _numbers(entry.decided_ms)
        for programme, found in (("", card.main), *card.programmes):
            key = purse(name, programme)
            sums = (
                found.spent_day_rp if found.day == day else 0,
                found.spent_month_rp if found.month == month_number else 0,
                found.received_month_rp if found.month == month_number else 0,
                found.cash_month_rp if found.month == month_number else 0,
            )
            months = (figures.spent, figures.received, figures.cash)
            ours = (figures.spent[key, when], *(counted[key, month] for counted in months))
            demand(sums == ours, f"{key} counts {sums}, not {ours}", entry)


def _volume_rp(entry: Entry) -> int:
    return sum(max(0, line[2]) for line in entry.postings)


def _numbers(time_ms: int) -> tuple[int, int]:
    """Return day and month in the numbers that a purse keeps."""
    when = day_in_jakarta(time_ms)
    return when.toordinal() - 719163, 12 * when.year + when.month - 1
