"""The audit finds what was lost, doubled, changed or slipped in; a clean journal passes."""

from __future__ import annotations

import random
from collections import Counter

import pytest
from msgspec.structs import replace

from engine.accounts import OPERATOR_REVENUE, PURSE
from engine.errors import Reason
from engine.transaction import Block, Entry, TopUp
from ops.demo.audit import DIFFERENCES_MAX, Answer, Audit, audit, moves, rides
from ops.demo.network import built_in
from tests.ops.demo.played import Played

NETWORK = built_in()


def paid_tap(played: Played) -> int:
    """Position of a tap that moved money, past the loads."""
    return next(
        position
        for position, entry in enumerate(played.entries)
        if entry.counter and position >= len(played.city.loads) and entry.postings
    )


def checked(played: Played, entries: list[Entry]) -> Audit:
    return audit(entries, NETWORK, played.planned, played.answers)


def test_clean_morning_balances(played: Played) -> None:
    found = checked(played, played.entries)
    assert found.ok
    assert (found.lost, found.doubled, found.strangers, found.differences) == (0, 0, 0, ())
    assert found.sum_of_accounts_rp == 0
    assert found.entries == len(played.entries)
    assert found.total_rp(OPERATOR_REVENUE) > 0


def test_empty_journal_of_nothing_balances() -> None:
    assert audit([], NETWORK, [], {}).ok


def test_acknowledged_tap_that_is_absent_is_lost(played: Played) -> None:
    # The last one, so that the others keep their positions.
    found = checked(played, played.entries[:-1])
    assert found.lost == 1
    assert not found.ok


def test_lost_tap_shows_in_the_money_too(played: Played) -> None:
    at = paid_tap(played)
    found = checked(played, played.entries[:at])
    assert found.lost == len(played.entries) - at
    assert 0 < len(found.differences) <= DIFFERENCES_MAX


def test_entry_written_twice_is_doubled_and_its_money_differs(played: Played) -> None:
    entry = played.entries[paid_tap(played)]
    found = checked(played, [*played.entries, entry])
    assert (found.doubled, found.lost) == (1, 0)
    assert found.sum_of_accounts_rp == 0
    assert any("in the ledger" in line for line in found.differences)


def test_same_tap_under_another_identity_is_doubled(played: Played) -> None:
    entry = replace(played.entries[paid_tap(played)], counter=999_999)
    found = checked(played, [*played.entries, entry])
    assert (found.doubled, found.strangers) == (1, 1)


def test_refused_tap_sent_under_another_identity_is_a_stranger_only(played: Played) -> None:
    refused = next(entry for entry in played.entries if entry.reason)
    found = checked(played, [*played.entries, replace(refused, counter=999_999)])
    assert (found.doubled, found.strangers) == (0, 1)
    assert not found.ok


def test_money_loaded_twice_in_one_entry_counts_as_lost(played: Played) -> None:
    at = next(at for at, entry in enumerate(played.entries) if isinstance(entry.intent, TopUp))
    entry = played.entries[at]
    doubled = replace(entry, postings=entry.postings * 2)
    found = checked(played, [*played.entries[:at], doubled, *played.entries[at + 1 :]])
    assert found.lost == 1
    assert found.sum_of_accounts_rp == 0
    assert found.differences


def test_a_tap_that_cost_twice_as_much_shows_in_the_accounts_of_card_and_operator(
    played: Played,
) -> None:
    at = paid_tap(played)
    entry = played.entries[at]
    doubled = replace(entry, postings=entry.postings * 2)
    found = checked(played, [*played.entries[:at], doubled, *played.entries[at + 1 :]])
    assert found.lost == 0
    assert len(found.differences) == len({posting[:2] for posting in entry.postings})
    assert not found.ok


def test_money_made_of_nothing_shows_in_the_sum(played: Played) -> None:
    at = paid_tap(played)
    made = replace(played.entries[at], postings=played.entries[at].postings[1:])
    found = checked(played, [*played.entries[:at], made, *played.entries[at + 1 :]])
    assert found.sum_of_accounts_rp > 0
    assert not found.ok


@pytest.mark.parametrize("change", ["reason", "at_ms", "position"])
def test_answer_that_differs_from_the_journal_is_lost(played: Played, change: str) -> None:
    at = paid_tap(played)
    entries, answers = list(played.entries), dict(played.answers)
    identity = (entries[at].terminal, entries[at].counter)
    if change == "reason":
        entries[at] = replace(entries[at], reason=Reason.BELOW_FLOOR, postings=())
    elif change == "at_ms":
        entries[at] = replace(entries[at], at_ms=entries[at].at_ms + 1)
    else:
        answers[identity] = Answer(at + 1, "")
    assert audit(entries, NETWORK, played.planned, answers).lost == 1


def test_random_single_faults_are_all_found(played: Played) -> None:
    rng = random.Random(11)
    for _ in range(20):
        entries = list(played.entries)
        at = rng.randrange(len(entries))
        if rng.random() < 0.5:
            del entries[at]
        else:
            entries.insert(at, entries[at])
        assert not checked(played, entries).ok


def test_unanswered_tap_in_the_journal_is_not_lost_but_its_money_is_unexplained(
    played: Played,
) -> None:
    entry = played.entries[paid_tap(played)]
    answers = dict(played.answers)
    del answers[entry.terminal, entry.counter]
    found = audit(played.entries, NETWORK, played.planned, answers)
    assert found.lost == 0
    assert found.differences


def test_every_move_of_the_plan_sums_to_zero(played: Played) -> None:
    for plan in played.planned:
        assert sum(amount_rp for _, _, amount_rp in moves(plan.intent)) == 0
    assert sum(amount_rp for _, _, amount_rp in rides(NETWORK, played.planned)) == 0


def test_the_order_of_the_taps_does_not_matter_for_what_they_come_to(played: Played) -> None:
    shuffled = list(played.planned)
    random.Random(3).shuffle(shuffled)
    assert Counter(rides(NETWORK, shuffled)) == Counter(rides(NETWORK, played.planned))


def test_intents_that_move_nothing_move_nothing() -> None:
    assert moves(Block("card-1", "lost")) == ()


def test_differences_name_account_and_both_amounts(played: Played) -> None:
    found = audit([], NETWORK, [], {})
    other = replace(found, ledger={(PURSE, "card-1"): 500}, expected={(PURSE, "card-1"): 1_500})
    assert other.differences == ("purse card-1: Rp1,500 acknowledged, Rp500 in the ledger",)
