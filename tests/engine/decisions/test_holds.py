"""Holds: what they set aside, until when, and what becomes of it."""

from __future__ import annotations

import pytest

from engine.accounts import MERCHANT_PAYABLE, OPERATOR_REVENUE, PROGRAMME_PURSE, PURSE
from engine.decisions import holds
from engine.errors import Reason
from engine.limits import HOLDS_PER_CARD_MAX
from engine.transaction import Block, Hold, Post, Purchase, Replace, Tap, TopUp, Void
from tests.engine.decisions.prepared import HOUR_MS, PROOF, prepared
from tests.engine.ledger import Ledger


def with_hold(hold: Hold) -> Ledger:
    """Return the prepared ledger with a hold of ("held", 1)."""
    ledger = prepared()
    assert ledger.send(hold, terminal="held").posted
    return ledger


def test_a_hold_moves_nothing_and_takes_from_what_is_free() -> None:
    ledger = with_hold(Hold("A", 60, "operator", "tj", HOUR_MS))
    assert ledger.entries[-1].postings == ()
    assert ledger.entries[-1].balance_rp == ledger.balance_rp("A") == 100
    assert ledger.send(Tap("A", 41, "tj", "in")).reason is Reason.BELOW_FLOOR
    ledger.done(Tap("A", 40, "tj", "in"))


@pytest.mark.parametrize(
    ("hold", "postings"),
    [
        (
            Hold("A", 60, "operator", "tj", HOUR_MS),
            ((PURSE, "A", -25), (OPERATOR_REVENUE, "tj", 25)),
        ),
        (
            Hold("A", 60, "merchant", "shop", HOUR_MS, "kjp"),
            ((PROGRAMME_PURSE, "A/kjp", -25), (MERCHANT_PAYABLE, "shop", 25)),
        ),
    ],
    ids=str,
)
def test_a_post_in_part_takes_that_part_and_frees_the_rest(
    hold: Hold, postings: tuple[tuple[int, str, int], ...]
) -> None:
    ledger = with_hold(hold)
    balance_rp = ledger.balance_rp("A", hold.purse)
    entry = ledger.done(Post("A", "held", 1, 25))
    assert entry.postings == postings
    assert entry.balance_rp == ledger.balance_rp("A", hold.purse) == balance_rp - 25
    assert ledger.cards["A"].held_rp(hold.purse, ledger.now_ms) == 0
    assert ledger.send(Post("A", "held", 1, 1)).reason is Reason.HOLD_UNKNOWN


def test_a_void_frees_it_all() -> None:
    ledger = with_hold(Hold("A", 60, "operator", "tj", HOUR_MS))
    entry = ledger.done(Void("A", "held", 1))
    assert (entry.postings, entry.balance_rp) == ((), 100)
    ledger.done(Purchase("A", 100, "shop"))


def test_a_hold_expires_on_the_hosts_clock_to_the_millisecond() -> None:
    ledger = with_hold(Hold("A", 60, "operator", "tj", HOUR_MS))
    ledger.wait(HOUR_MS - 1)
    assert ledger.dry_run(Post("A", "held", 1, 60)).posted
    assert ledger.dry_run(Tap("A", 41, "tj", "in")).reason is Reason.BELOW_FLOOR
    ledger.wait(1)
    for intent in (Post("A", "held", 1, 60), Void("A", "held", 1)):
        assert ledger.send(intent).reason is Reason.HOLD_EXPIRED
    ledger.done(Tap("A", 41, "tj", "in"))
    assert ledger.send(Void("A", "held", 1)).reason is Reason.HOLD_EXPIRED


def test_expired_holds_leave_the_card_with_the_next_hold() -> None:
    ledger = prepared()
    ledger.wait(HOUR_MS)
    assert len(ledger.cards["F"].holds) == HOLDS_PER_CARD_MAX
    ledger.done(Hold("F", 1, "operator", "tj", HOUR_MS))
    assert len(ledger.cards["F"].holds) == 1


def test_a_blocked_card_still_owes_what_was_held() -> None:
    ledger = with_hold(Hold("A", 60, "operator", "tj", HOUR_MS))
    ledger.done(Block("A", "lost"), Post("A", "held", 1, 60))
    assert ledger.balance_rp("A") == 40


def test_holds_count_in_the_limits_of_the_day() -> None:
    ledger = prepared()
    ledger.done(TopUp("A", 100, "dki"), Hold("A", 60, "operator", "tj", HOUR_MS))
    ledger.done(Tap("A", 30, "tj", "in"))
    assert ledger.send(Tap("A", 11, "tj", "in")).reason is Reason.DAY_LIMIT
    assert ledger.send(Hold("A", 11, "operator", "tj", HOUR_MS)).reason is Reason.DAY_LIMIT
    ledger.done(Tap("A", 10, "tj", "in"))


def test_what_an_advice_has_taken_cannot_be_posted() -> None:
    ledger = with_hold(Hold("A", 60, "operator", "tj", HOUR_MS))
    ledger.send(Tap("A", 70, "tj", "in", proof=PROOF))
    assert ledger.send(Post("A", "held", 1, 31)).reason is Reason.BELOW_FLOOR
    ledger.done(Post("A", "held", 1, 30))
    assert ledger.balance_rp("A") == 0


def test_a_post_counts_as_spent_even_past_a_limit_that_was_used_up_since() -> None:
    ledger = prepared()
    ledger.done(TopUp("A", 100, "dki"))
    ledger.send(Hold("A", 60, "operator", "tj", HOUR_MS), terminal="held")
    ledger.send(Tap("A", 90, "tj", "in", proof=PROOF))
    ledger.done(Post("A", "held", 1, 60))
    assert ledger.cards["A"].main.spent_day_rp == 150


def test_a_hold_is_known_by_terminal_and_counter() -> None:
    ledger = with_hold(Hold("A", 60, "operator", "tj", HOUR_MS))
    for intent in (Void("A", "held", 2), Void("A", "T", 1), Void("R", "held", 1)):
        assert ledger.send(intent).reason is Reason.HOLD_UNKNOWN
    ledger.done(Void("A", "held", 1))


def test_a_card_with_a_hold_is_replaced_and_the_new_one_owes_it() -> None:
    ledger = with_hold(Hold("A", 60, "operator", "tj", HOUR_MS))
    ledger.done(Block("A", "stolen"), Replace("A", "A2"))
    assert ledger.cards["A"].holds == ()
    assert ledger.send(Tap("A2", 41, "tj", "in")).reason is Reason.BELOW_FLOOR
    last = ledger.cards["A2"].last
    entry = ledger.done(Post("A", "held", 1, 25))
    assert entry.postings == ((PURSE, "A2", -25), (OPERATOR_REVENUE, "tj", 25))
    assert (entry.balance_rp, entry.previous) == (75, last)
    assert ledger.balance_rp("A2") == 75
    assert ledger.cards["A2"].holds == ()
    assert ledger.cards["A2"].last == len(ledger.entries) - 1
    refused = ledger.send(Post("A", "held", 1, 1))
    assert refused.reason is Reason.HOLD_UNKNOWN
    assert refused.previous == last - 1, "what was refused belongs to the card it names"


@pytest.mark.parametrize(
    ("purse", "line"), [("", (PURSE, "A3", 0)), ("kjp", (PROGRAMME_PURSE, "A3/kjp", 0))]
)
def test_a_void_under_an_old_name_belongs_to_the_card_that_took_over(
    purse: str, line: tuple[int, str, int]
) -> None:
    ledger = with_hold(Hold("A", 60, "operator", "tj", HOUR_MS, purse))
    ledger.done(Replace("A", "A2"), Replace("A2", "A3"))
    last = ledger.cards["A3"].last
    balance_rp = ledger.balance_rp("A3", purse)
    entry = ledger.done(Void("A", "held", 1))
    assert entry.postings == (line,)
    assert (entry.balance_rp, entry.previous) == (balance_rp, last)
    assert ledger.cards["A3"].last == len(ledger.entries) - 1
    assert ledger.cards["A3"].holds == ()


def test_a_hold_goes_by_the_name_of_the_new_card_too_and_expires_there() -> None:
    ledger = with_hold(Hold("A", 60, "operator", "tj", HOUR_MS))
    ledger.done(Replace("A", "A2"))
    assert ledger.dry_run(Void("A2", "held", 1)).postings == ()
    assert ledger.dry_run(Post("A2", "held", 1, 60)).posted
    ledger.wait(HOUR_MS)
    assert ledger.send(Post("A", "held", 1, 60)).reason is Reason.HOLD_EXPIRED


def test_a_hold_is_not_looked_for_on_too_many_cards(monkeypatch: pytest.MonkeyPatch) -> None:
    ledger = with_hold(Hold("A", 60, "operator", "tj", HOUR_MS))
    ledger.done(Replace("A", "A2"))
    monkeypatch.setattr(holds, "REPLACEMENTS_FOLLOWED_MAX", 0)
    assert ledger.send(Void("A", "held", 1)).reason is Reason.HOLD_UNKNOWN
