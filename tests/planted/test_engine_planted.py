"""The auditor of the engine's histories can fail: it finds each bug that is planted here."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Final, TypeAlias

import pytest
from msgspec.structs import replace

from engine import advance, book, decisions, purses
from engine.accounts import FEES, PROGRAMME_FUND, PURSE, Postings
from engine.book import Book
from engine.calendar import WIB_OFFSET_MS, day_and_month
from engine.card import Card, HeldAmount, Programmes, Purse
from engine.decisions import checks, grants, groups, lifecycle, payments, returns, top_ups
from engine.errors import Bug, Reason
from engine.moment import Moment
from engine.purses import Step
from engine.rules.purses import PurseLimits
from engine.transaction import (
    Block,
    Close,
    Entry,
    Group,
    Identify,
    Issue,
    Replace,
    Reversal,
    TopUp,
    Unblock,
)
from engine.verdict import Verdict
from tests.engine.auditor import Violation
from tests.engine.histories import STEPS_MAX, play

SEEDS: Final = 200

Life: TypeAlias = Issue | Block | Unblock | Replace | Close | Identify
Plant: TypeAlias = Callable[[pytest.MonkeyPatch], None]


def lost_debit(patch: pytest.MonkeyPatch) -> None:
    """A debit is forgotten where the lines move a purse of the card twice."""

    def after_lines(card: Card, lines: Postings, step: Step, ms: int) -> tuple[Purse, Programmes]:
        own = [line for line in lines if line[0] == PURSE]
        kept = tuple(line for line in lines if line[2] > 0) if len(own) > 1 else lines
        return purses.after_lines(card, kept, step, ms)

    patch.setattr(advance, "after_lines", after_lines)


def double_credit(patch: pytest.MonkeyPatch) -> None:
    """Money that arrives on a chip is credited twice."""

    def after_lines(card: Card, lines: Postings, step: Step, ms: int) -> tuple[Purse, Programmes]:
        again = tuple(line for line in lines if line[0] == PURSE and line[2] > 0)
        doubled = lines + again if card.medium == "stored" else lines
        return purses.after_lines(card, doubled, step, ms)

    patch.setattr(advance, "after_lines", after_lines)


def sign_error(patch: pytest.MonkeyPatch) -> None:
    """A reversal moves the money once more instead of moving it back."""

    def reverse(book: Book, now: Moment, intent: Reversal) -> Verdict:
        verdict = returns.decide_reversal(book, now, intent)
        again = tuple((kind, owner, -back_rp) for kind, owner, back_rp in verdict.postings)
        return replace(verdict, postings=again)

    patch.setattr(decisions, "decide_reversal", reverse)


def forgotten_hold(patch: pytest.MonkeyPatch) -> None:
    """What is held may be spent."""
    patch.setattr(Card, "held_rp", lambda *_: 0)


def hold_without_end(patch: pytest.MonkeyPatch) -> None:
    """A hold never expires."""
    without_end = partial(HeldAmount, expires_ms=2**60)
    patch.setattr(advance, "HeldAmount", lambda *fields: without_end(*fields[:-1]))


def ceiling_off_by_one(patch: pytest.MonkeyPatch) -> None:
    """A purse may receive one rupiah more than its limits say."""

    def receive(purse: Purse, amount_rp: int, limits: PurseLimits, now: Moment) -> Reason:
        return purses.receive_refusal(purse, amount_rp - 1, limits, now)

    patch.setattr(top_ups, "receive_refusal", receive)


def floor_off_by_one(patch: pytest.MonkeyPatch) -> None:
    """The last rupiah of a purse cannot be spent."""

    def spend(purse: Purse, rp: int, held_rp: int, limits: PurseLimits, now: Moment) -> Reason:
        higher = replace(limits, floor_rp=limits.floor_rp + 1)
        return purses.spend_refusal(purse, rp, held_rp, higher, now)

    patch.setattr(checks, "spend_refusal", spend)


def refund_twice(patch: pytest.MonkeyPatch) -> None:
    """What was given back is not remembered."""
    patch.setattr(book, "volume_rp", lambda _: 0)


def group_half_applied(patch: pytest.MonkeyPatch) -> None:
    """The lines of a group's last part are left out."""

    def decide(book: Book, card: Card | None, now: Moment, intent: Group) -> Verdict:
        verdict = groups.decide_group(book, card, now, intent)
        return replace(verdict, postings=verdict.postings[:2])

    patch.setattr(decisions, "decide_group", decide)


def group_posted_in_spite(patch: pytest.MonkeyPatch) -> None:
    """A group is posted without the part that was refused."""

    def decide(book: Book, card: Card | None, now: Moment, intent: Group) -> Verdict:
        verdict = groups.decide_group(book, card, now, intent)
        rest = replace(intent, parts=intent.parts[:1])
        return groups.decide_group(book, card, now, rest) if verdict.reason else verdict

    patch.setattr(decisions, "decide_group", decide)


def foreign_midnight(patch: pytest.MonkeyPatch) -> None:
    """Days and months end at midnight in London."""
    patch.setattr(purses, "day_and_month", lambda ms: day_and_month(ms - WIB_OFFSET_MS))


def forgotten_purse(patch: pytest.MonkeyPatch) -> None:
    """A replacement leaves programme money behind."""

    def live(book: Book, card: Card | None, now: Moment, intent: Life) -> Verdict:
        verdict = lifecycle.decide_life(book, card, now, intent)
        return replace(verdict, postings=verdict.postings[:2])

    patch.setattr(decisions, "decide_life", live)


def fresh_limits(patch: pytest.MonkeyPatch) -> None:
    """A replaced card may spend its day's limit once more."""
    successor = advance.successor

    def forgetful(old: Card, known: Card | None, entry: Entry, position: int) -> Card:
        return successor(replace(old, main=Purse(old.main.balance_rp)), known, entry, position)

    patch.setattr(book, "successor", forgetful)


def holds_left_behind(patch: pytest.MonkeyPatch) -> None:
    """What was held on a card that is replaced is free on the new one."""
    successor = advance.successor

    def forgetful(old: Card, known: Card | None, entry: Entry, position: int) -> Card:
        return successor(replace(old, holds=()), known, entry, position)

    patch.setattr(book, "successor", forgetful)


def grants_left_behind(patch: pytest.MonkeyPatch) -> None:
    """What was granted on a card that is replaced is forgotten."""
    successor = advance.successor

    def forgetful(old: Card, known: Card | None, entry: Entry, position: int) -> Card:
        return successor(replace(old, grants=()), known, entry, position)

    patch.setattr(book, "successor", forgetful)


def holder_left_behind(patch: pytest.MonkeyPatch) -> None:
    """Who was granted something on a card that is replaced may have it on another one too."""
    patch.setattr(Book, "_hand_on_grants", lambda *_: None)


def granted_twice(patch: pytest.MonkeyPatch) -> None:
    """Nobody looks whether a person was granted a programme on another card."""
    patch.setattr(grants, "_is_elsewhere", lambda *_: False)


def any_allowance(patch: pytest.MonkeyPatch) -> None:
    """A programme gives to a group whatever is asked for."""
    patch.setattr(top_ups, "_allowance_doubts", lambda *_: [])


def any_fee(patch: pytest.MonkeyPatch) -> None:
    """A bank takes what it likes for a top-up."""
    patch.setattr(top_ups, "_fee_doubts", lambda *_: [])


def forgotten_advices(patch: pytest.MonkeyPatch) -> None:
    """What advices took from a card before it took over from another one is forgotten."""
    successor = advance.successor
    patch.setattr(book, "successor", lambda old, _, entry, at: successor(old, None, entry, at))


def programme_pays_the_fee(patch: pytest.MonkeyPatch) -> None:
    """A fee that is claimed is taken from the programme."""

    def decide(
        book: Book, card: Card | None, now: Moment, intent: TopUp, *, advice: bool
    ) -> Verdict:
        verdict = top_ups.decide_top_up(book, card, now, intent, advice=advice)
        if verdict.reason or not (intent.purse and intent.fee_rp):
            return verdict
        fee = ((PROGRAMME_FUND, intent.purse, -1), (FEES, "top_up", 1))
        return replace(verdict, postings=verdict.postings + fee)

    patch.setattr(payments, "decide_top_up", decide)


def unfiled_advice(patch: pytest.MonkeyPatch) -> None:
    """An overdraft on a chip is posted and told to nobody."""
    patch.setattr(checks, "spend_refusal", lambda *_: Reason.NONE)


PLANTS: Final[list[Plant]] = [
    lost_debit,
    double_credit,
    sign_error,
    forgotten_hold,
    hold_without_end,
    ceiling_off_by_one,
    floor_off_by_one,
    refund_twice,
    group_half_applied,
    group_posted_in_spite,
    foreign_midnight,
    forgotten_purse,
    fresh_limits,
    holds_left_behind,
    grants_left_behind,
    holder_left_behind,
    granted_twice,
    any_allowance,
    any_fee,
    forgotten_advices,
    programme_pays_the_fee,
    unfiled_advice,
]


def first_found() -> tuple[int, Violation | Bug]:
    """Return the first seed whose history makes the auditor, or the engine itself, complain."""
    for seed in range(SEEDS):
        try:
            play((seed, STEPS_MAX))
        except (Violation, Bug) as found:
            return seed, found
    pytest.fail(f"nothing was found in {SEEDS} histories")


@pytest.mark.parametrize("plant", PLANTS, ids=lambda plant: plant.__name__)
def test_a_planted_bug_is_found(plant: Plant, monkeypatch: pytest.MonkeyPatch) -> None:
    plant(monkeypatch)
    _, found = first_found()
    assert isinstance(found, Violation), "an unbalanced entry is no test of the auditor"


def test_without_a_planted_bug_nothing_is_found() -> None:
    for seed in range(SEEDS):
        play((seed, STEPS_MAX))
