"""Corrections by officers, worked out by hand."""

from __future__ import annotations

import msgspec
import pytest
from msgspec.structs import replace

from engine.accounts import (
    ALL_CARDS,
    FEES,
    FLOAT,
    OPERATOR_REVENUE,
    PROGRAMME_FUND,
    PROGRAMME_PURSE,
    PURSE,
    SUSPENSE,
    Postings,
)
from engine.calendar import day_and_month
from engine.card import Purse
from engine.decisions import checks
from engine.errors import Reason
from engine.limits import BALANCE_RP_MAX, NAME_LENGTH_MAX
from engine.transaction import Adjustment, Hold, Issue, Purchase, Reversal, Tap, TopUp
from tests.engine.decisions.prepared import HOUR_MS, PROOF, prepared
from tests.engine.ledger import NOON


def adjustment(card: str, *lines: tuple[int, str, int]) -> Adjustment:
    """Return a correction by the officer of these tests."""
    return Adjustment("wati", "complaint 7", lines, card)


@pytest.mark.parametrize(
    ("card", "lines", "balance_rp"),
    [
        ("A", ((PURSE, "A", 5), (OPERATOR_REVENUE, "tj", -5)), 105),
        ("A", ((OPERATOR_REVENUE, "tj", 100), (PURSE, "A", -100)), 0),
        ("A", ((PROGRAMME_PURSE, "A/kjp", 5), (PROGRAMME_FUND, "kjp", -5)), 65),
        ("A", ((PROGRAMME_PURSE, "A/kjp", -5), (PROGRAMME_PURSE, "A/food", 5)), 55),
        ("A", ((FEES, "card", 5), (FLOAT, "dki", -5)), 100),
        ("", ((FEES, "card", 5), (FLOAT, "dki", -5)), 0),
        ("A", ((PURSE, "A", 5), (FLOAT, "dki", -5)), 105),
        ("", ((OPERATOR_REVENUE, "tj", 5), (OPERATOR_REVENUE, "mrt", -5)), 0),
        ("", ((PROGRAMME_FUND, "kjp", 5), (PROGRAMME_FUND, "food", -5)), 0),
        ("B", ((PURSE, "B", -5), (SUSPENSE, "found", 5)), 95),
    ],
)
def test_a_correction_posts_its_lines(card: str, lines: Postings, balance_rp: int) -> None:
    entry = prepared().done(adjustment(card, *lines))
    assert entry.postings == lines
    assert entry.balance_rp == balance_rp


def test_a_correction_counts_in_no_limit() -> None:
    ledger = prepared()
    day, month = day_and_month(NOON)
    ledger.done(Purchase("A", 30, "shop"))
    ledger.done(adjustment("A", (PURSE, "A", -20), (SUSPENSE, "found", 20)))
    ledger.done(adjustment("A", (PURSE, "A", 5), (SUSPENSE, "found", -5)))
    assert ledger.cards["A"].main == Purse(55, day, 30, month, 30, 100)
    ledger.done(Reversal("T", ledger.entries[-1].counter))
    assert ledger.cards["A"].main == Purse(50, day, 30, month, 30, 100)


def test_a_correction_keeps_to_floor_ceiling_and_holds_of_each_purse_as_a_whole() -> None:
    ledger = prepared()
    ledger.done(Hold("A", 40, "operator", "tj", HOUR_MS))
    for lines, reason in (
        (((PURSE, "A", -61), (FEES, "card", 61)), "below_floor"),
        (((PURSE, "A", -60), (FEES, "card", 60)), ""),
        (((PURSE, "A", 101), (FEES, "card", -101)), "above_ceiling"),
        (((PURSE, "A", 100), (FEES, "card", -100)), ""),
        (((PURSE, "A", -500), (PURSE, "A", 500)), ""),
        (((PROGRAMME_PURSE, "A/food", 61), (PROGRAMME_FUND, "food", -61)), "above_ceiling"),
    ):
        assert ledger.dry_run(adjustment("A", *lines)).reason == reason, lines


def test_on_an_ended_card_a_balance_may_only_come_nearer_to_zero() -> None:
    ledger = prepared()
    ledger.send(Tap("X", 30, "tj", "in", proof=PROOF))
    assert ledger.balance_rp("X") == -30
    for amount_rp, reason in (
        (31, Reason.CARD_CLOSED),
        (30, ""),
        (1, ""),
        (-1, Reason.CARD_CLOSED),
    ):
        correction = adjustment("X", (PURSE, "X", amount_rp), (SUSPENSE, "found", -amount_rp))
        assert ledger.dry_run(correction).reason == reason
    ledger.send(Tap("O", 30, "tj", "in", proof=PROOF))
    correction = adjustment("O", (PURSE, "O", 31), (SUSPENSE, "found", -31))
    assert ledger.send(correction).reason is Reason.CARD_REPLACED


def test_no_correction_takes_an_account_farther_from_zero_than_it_may_be() -> None:
    ledger = prepared()
    there = BALANCE_RP_MAX
    ledger.done(adjustment("", (FEES, "a", there), (FEES, "b", -there)))
    for lines, reason in (
        (((FEES, "a", 1), (FEES, "c", -1)), Reason.AMOUNT_EXCEEDED),
        (((FEES, "c", 1), (FEES, "b", -1)), Reason.AMOUNT_EXCEEDED),
        (((FEES, "a", 5), (FEES, "c", 1), (FEES, "a", -6)), ""),
        (((FEES, "a", -1), (FEES, "b", 1)), ""),
    ):
        assert ledger.dry_run(adjustment("", *lines)).reason == reason, lines


def test_what_an_advice_took_too_far_may_come_nearer_by_a_correction() -> None:
    ledger = prepared()
    ledger.book.accounts[FEES]["a"] = 2 * BALANCE_RP_MAX
    for amount_rp, reason in ((1, Reason.AMOUNT_EXCEEDED), (-1, "")):
        lines = (FEES, "a", amount_rp), (FEES, "c", -amount_rp)
        assert ledger.dry_run(adjustment("", *lines)).reason == reason


def test_a_purse_without_a_ceiling_keeps_to_that_bound_though_all_together_do() -> None:
    ledger = prepared()
    debt = replace(ledger.cards["D"].main, balance_rp=-2 * BALANCE_RP_MAX)
    ledger.cards["D"] = replace(ledger.cards["D"], programmes=(("kjp", debt),))
    ledger.book.accounts[PROGRAMME_PURSE][ALL_CARDS] = -2 * BALANCE_RP_MAX
    there = BALANCE_RP_MAX - 60
    ledger.done(adjustment("A", (PROGRAMME_PURSE, "A/kjp", there), (PROGRAMME_FUND, "new", -there)))
    more = adjustment("A", (PROGRAMME_PURSE, "A/kjp", 1), (PROGRAMME_FUND, "food", -1))
    assert ledger.dry_run(more).reason is Reason.AMOUNT_EXCEEDED


def test_a_correction_is_not_taken_back_where_that_leads_too_far() -> None:
    ledger = prepared()
    ledger.send(adjustment("", (FEES, "a", -9), (FEES, "b", 9)), terminal="desk")
    there = BALANCE_RP_MAX
    ledger.done(adjustment("", (FEES, "a", there + 9), (FEES, "c", -there), (FEES, "d", -9)))
    entry = ledger.send(Reversal("desk", 1))
    assert (entry.reason, entry.detail) == (Reason.AMOUNT_EXCEEDED, "counter")
    ledger.done(adjustment("", (FEES, "a", -9), (FEES, "d", 9)), Reversal("desk", 1))


def test_a_purse_with_the_longest_names_can_be_corrected() -> None:
    card, programme = "c" * NAME_LENGTH_MAX, "p" * NAME_LENGTH_MAX
    ledger = prepared()
    ledger.done(Issue(card, "account", "dki"), TopUp(card, 5, purse=programme))
    line = (PROGRAMME_PURSE, f"{card}/{programme}", -5)
    intent = adjustment(card, line, (PROGRAMME_FUND, programme, 5))
    sent = msgspec.msgpack.decode(msgspec.msgpack.encode(intent), type=Adjustment)
    assert ledger.done(sent).balance_rp == 0


def test_an_account_that_one_line_opens_takes_room_from_the_next(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ledger = prepared()
    ledger.done(adjustment("", (FEES, "a", 1), (FEES, "b", -1)))
    monkeypatch.setattr(checks, "ACCOUNTS_PER_KIND_MAX", 3)
    entry = ledger.dry_run(adjustment("", (FEES, "c", 1), (FEES, "c", 1), (FEES, "d", -2)))
    assert (entry.reason, entry.detail) == (Reason.ACCOUNT_LIMIT, "lines[2]")
    ledger.done(adjustment("", (FEES, "c", 1), (FEES, "b", 1), (FEES, "c", -2)))
