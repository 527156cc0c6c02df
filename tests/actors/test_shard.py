"""The shard decides, answers when durable, and knows what was sent before."""

from __future__ import annotations

import pytest

import actors.shard
from actors import limits
from actors.errors import ShardBroken
from actors.shard import Shard
from engine.book import Book
from engine.chips import ChipFinding
from engine.decisions import decide
from engine.errors import Bug, Reason
from engine.limits import GAPS_PER_TERMINAL_MAX
from engine.moment import Moment
from engine.transaction import Entry, Issue, Reversal, Transaction
from protocol.errors import BusyReason
from storage.runs import RunIndex
from tests.actors.world import CARD, Clock, Disk, Sender, advice, commit, send, tap

YEAR_MS = 365 * 24 * 3600 * 1000


def test_a_tap_is_answered_when_it_is_durable_and_not_before(shard: Shard, sender: Sender) -> None:
    assert shard.submit(sender, "GATE-1", [tap(1)]) == []
    assert sender.outcomes == []
    assert shard.work.is_set()
    commit(shard)
    (outcome,) = sender.outcomes
    assert (outcome.result, outcome.balance_rp, outcome.position) == ("posted", 96_500, 2)


def test_what_is_decided_while_a_block_is_written_joins_the_next(
    shard: Shard, sender: Sender
) -> None:
    shard.submit(sender, "GATE-1", [tap(1)])
    writing = shard.take_block()
    assert writing is not None
    shard.submit(sender, "GATE-1", [tap(2), tap(3)])
    assert shard.waiting == 3
    shard.store.append(writing.entries, writing.entries[-1].decided_ms)
    shard.release(writing)
    assert [outcome.counter for outcome in sender.outcomes] == [1]
    commit(shard)
    assert [outcome.balance_rp for outcome in sender.outcomes] == [96_500, 93_000, 89_500]
    assert shard.take_block() is None


def test_the_same_id_twice_in_one_frame_is_in_progress(shard: Shard, sender: Sender) -> None:
    (outcome,) = shard.submit(sender, "GATE-1", [tap(1), tap(1)])
    assert (outcome.result, outcome.repeated) == ("in_progress", True)
    assert outcome.retry_after_ms > 0
    commit(shard)
    assert [each.result for each in sender.outcomes] == ["posted"]


def test_the_same_id_with_other_content_in_one_frame_is_a_conflict(
    shard: Shard, sender: Sender
) -> None:
    (outcome,) = shard.submit(sender, "GATE-1", [tap(1), tap(1, 4_000)])
    assert (outcome.result, outcome.detail) == ("conflict", "intent.amount_rp")
    assert outcome.position == -1, "it is not on disk yet"
    commit(shard)
    (outcome,) = shard.submit(sender, "GATE-1", [tap(1, 4_000)])
    assert (outcome.result, outcome.position) == ("conflict", sender.outcomes[0].position)


def test_the_same_id_on_two_connections_at_once_is_posted_once(
    shard: Shard, sender: Sender
) -> None:
    other = Sender()
    shard.submit(sender, "GATE-1", [tap(1)])
    (open_still,) = shard.submit(other, "GATE-1", [tap(1)])
    writing = shard.take_block()
    assert writing is not None
    (being_written,) = shard.submit(other, "GATE-1", [tap(1)])
    assert open_still.result == being_written.result == "in_progress"
    shard.store.append(writing.entries, writing.entries[-1].decided_ms)
    shard.release(writing)
    (again,) = shard.submit(other, "GATE-1", [tap(1)])
    assert (again.result, again.repeated) == ("posted", True)
    assert (again.balance_rp, again.position) == (96_500, sender.outcomes[0].position)
    assert other.outcomes == []


def test_a_copy_that_comes_a_year_late_gets_the_original_answer(
    shard: Shard, disk: Disk, clock: Clock, sender: Sender
) -> None:
    shard.submit(sender, "GATE-1", [tap(1), tap(2, 10_000_000)])
    commit(shard)
    shard.store.checkpoint()
    clock.ms += YEAR_MS
    late = disk.shard(clock)
    posted, refused = late.submit(Sender(), "GATE-1", [tap(1), tap(2, 10_000_000)])
    assert (posted.result, posted.balance_rp) == ("posted", 96_500)
    assert (refused.result, refused.reason) == ("refused", Reason.BELOW_FLOOR)
    assert posted.repeated
    assert refused.repeated
    assert [posted.position, refused.position] == [each.position for each in sender.outcomes]


def test_late_copies_beyond_what_may_be_read_at_once_are_told_to_come_again(
    shard: Shard, disk: Disk, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    for counter in range(1, 7):
        send(shard, tap(counter).intent, terminal="GATE-1", first=counter)
    monkeypatch.setattr(limits, "OLD_ENTRIES_MAX", 2 * limits.OLD_BLOCK_ENTRIES)
    late, copies = disk.shard(clock), [tap(counter) for counter in range(1, 7)]
    first = late.submit(Sender(), "GATE-1", copies)
    assert [outcome.result for outcome in first] == ["posted"] * 2 + ["busy"] * 4
    assert {(outcome.reason, outcome.retry_after_ms) for outcome in first[2:]} == {
        (BusyReason.OVERLOAD, limits.BUSY_RETRY_MS)
    }
    again = late.submit(Sender(), "GATE-1", copies[:2])
    assert [outcome.result for outcome in again] == ["posted"] * 2, "they are at hand"
    returns = [Transaction(1, 1, Reversal("GATE-1", 6)), tap(2)]
    (turned_away,) = late.submit(Sender(), "GATE-2", returns)
    assert (turned_away.counter, turned_away.reason) == (1, BusyReason.OVERLOAD)
    assert not late.quarantine
    clock.s += limits.OLD_ENTRIES_S
    third = late.submit(Sender(), "GATE-1", copies[2:])
    assert [outcome.result for outcome in third] == ["posted"] * 2 + ["busy"] * 2


def test_a_late_copy_with_another_time_is_a_conflict_that_names_it(
    shard: Shard, sender: Sender
) -> None:
    shard.submit(sender, "GATE-1", [tap(1)])
    commit(shard)
    (outcome,) = shard.submit(sender, "GATE-1", [tap(1, at_ms=2)])
    assert (outcome.result, outcome.detail) == ("conflict", "at_ms")


def test_counters_may_come_in_any_order_and_gaps_are_filled(shard: Shard, sender: Sender) -> None:
    shard.submit(sender, "GATE-1", [tap(5), tap(2), tap(1)])
    shard.submit(sender, "GATE-1", [tap(3), tap(5)])
    commit(shard)
    assert [outcome.counter for outcome in sender.outcomes] == [5, 2, 1, 3]
    seen = shard.book.terminals.get("GATE-1")
    assert seen is not None
    assert (seen.high, seen.gaps) == (5, ((4, 4),))


def test_what_opens_too_many_gaps_is_taken_when_one_of_them_was_filled(
    shard: Shard, sender: Sender
) -> None:
    for first in range(0, GAPS_PER_TERMINAL_MAX, 128):
        batch = [tap(2 * number, 0) for number in range(first + 1, first + 129)]
        assert shard.submit(sender, "GATE-1", batch) == []
        commit(shard)
    ahead = advice(3 * GAPS_PER_TERMINAL_MAX)
    (outcome,) = shard.submit(sender, "GATE-1", [ahead])
    assert (outcome.result, outcome.reason) == ("busy", BusyReason.TOO_MANY_GAPS)
    assert (outcome.position, outcome.retry_after_ms) == (-1, limits.GAPS_RETRY_MS)
    assert shard.store.position_of("GATE-1", ahead.counter) is None
    assert shard.submit(sender, "GATE-1", [tap(1, 0), ahead]) == []
    commit(shard)
    assert (sender.outcomes[-1].counter, sender.outcomes[-1].result) == (ahead.counter, "posted")


def test_more_than_the_block_holds_is_turned_away_with_a_time(
    shard: Shard, sender: Sender, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "OPEN_ENTRIES_MAX", 3)
    assert shard.submit(sender, "GATE-1", [tap(1), tap(2)]) == []
    before = shard.book.position
    turned_away = shard.submit(sender, "GATE-2", [tap(1), tap(2)])
    assert {(each.result, each.reason) for each in turned_away} == {("busy", BusyReason.OVERLOAD)}
    assert all(outcome.retry_after_ms > 0 for outcome in turned_away)
    assert shard.book.position == before
    assert shard.trace().refused == 2
    commit(shard)
    assert shard.submit(sender, "GATE-2", [tap(1), tap(2)]) == []


def test_a_stopped_shard_turns_everything_away(shard: Shard, sender: Sender) -> None:
    shard.stopped_by = BusyReason.STORAGE_FULL
    (outcome,) = shard.submit(sender, "GATE-1", [tap(1)])
    assert (outcome.result, outcome.reason) == ("busy", BusyReason.STORAGE_FULL)


def fail_for(card: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let deciding fail for one card, or for none at all."""
    real = decide

    def failing(
        book: Book,
        now: Moment,
        terminal: str,
        transaction: Transaction,
        chip: ChipFinding | None,
    ) -> Entry:
        if transaction.intent.card == card:
            message = "planted"
            raise Bug(message)
        return real(book, now, terminal, transaction, chip)

    monkeypatch.setattr(actors.shard, "decide", failing)


def test_a_card_whose_handler_fails_is_quarantined_and_its_neighbours_go_on(
    shard: Shard, sender: Sender, monkeypatch: pytest.MonkeyPatch
) -> None:
    fail_for(CARD, monkeypatch)
    batch = [tap(1), advice(2, card="NEIGHBOUR"), tap(3)]
    first, second = shard.submit(sender, "GATE-1", batch)
    assert first.result == second.result == "busy"
    assert first.reason == Reason.CARD_QUARANTINED
    commit(shard)
    assert [outcome.counter for outcome in sender.outcomes] == [2]
    assert shard.quarantine[CARD].why == "Bug: planted"
    monkeypatch.undo()
    shard.quarantine.clear()
    assert shard.submit(sender, "GATE-1", [tap(1), tap(3)]) == []


async def test_a_failure_that_is_no_cards_fault_breaks_the_shard(
    shard: Shard, sender: Sender, monkeypatch: pytest.MonkeyPatch
) -> None:
    shard.submit(sender, "GATE-1", [tap(1)])
    writing = shard.take_block()
    assert writing is not None
    fail_for("", monkeypatch)
    with pytest.raises(ShardBroken) as broken:
        shard.submit(sender, "GATE-2", [tap(1), Transaction(2, 1, Reversal("GATE-1", 7))])
    assert isinstance(broken.value.__cause__, Bug)
    shard.store.append(writing.entries, writing.entries[-1].decided_ms)
    shard.release(writing)
    assert [outcome.result for outcome in sender.outcomes] == ["posted"], "it was closed before"
    monkeypatch.undo()
    (turned_away,) = shard.submit(sender, "GATE-3", [tap(1)])
    assert (turned_away.result, turned_away.reason) == ("busy", BusyReason.RESTARTING)
    assert turned_away.retry_after_ms > 0
    with pytest.raises(Bug):
        shard.take_block()
    assert not await shard.wait_durable(0), "nothing of it may be told or checkpointed"


def test_an_entry_that_cannot_be_applied_breaks_the_shard(
    shard: Shard, sender: Sender, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise Bug("planted")

    monkeypatch.setattr(shard.book, "apply", fail)
    with pytest.raises(ShardBroken):
        shard.submit(sender, "GATE-1", [tap(1)])
    assert isinstance(shard.failure, Bug)


def test_very_many_failing_cards_are_a_failing_program(
    shard: Shard, sender: Sender, monkeypatch: pytest.MonkeyPatch
) -> None:
    fail_for(CARD, monkeypatch)
    monkeypatch.setattr(limits, "QUARANTINED_CARDS_MAX", 0)
    with pytest.raises(ShardBroken):
        shard.submit(sender, "GATE-1", [tap(1)])


def test_a_transaction_that_is_not_durable_yet_can_be_reversed(
    shard: Shard, sender: Sender
) -> None:
    shard.submit(sender, "GATE-1", [tap(1)])
    shard.submit(sender, "GATE-2", [Transaction(1, 1, Reversal("GATE-1", 1))])
    commit(shard)
    assert [outcome.balance_rp for outcome in sender.outcomes] == [96_500, 100_000]
    (unknown,) = send(shard, Reversal("GATE-1", 9), terminal="GATE-3")
    assert unknown.reason == Reason.ORIGINAL_UNKNOWN


def test_a_dry_run_leaves_no_trace(shard: Shard) -> None:
    before = shard.book.position
    outcome = shard.dry_run("GATE-1", tap(1))
    assert (outcome.result, outcome.balance_rp, outcome.position) == ("posted", 96_500, -1)
    assert shard.book.position == before
    assert shard.book.terminals.get("GATE-1") is None


def test_a_dry_run_of_a_failing_card_is_turned_away(
    shard: Shard, monkeypatch: pytest.MonkeyPatch
) -> None:
    fail_for(CARD, monkeypatch)
    assert shard.dry_run("GATE-1", tap(1)).result == "busy"
    monkeypatch.undo()
    assert shard.quarantine == {}
    assert shard.dry_run("GATE-1", tap(1)).result == "posted"


def test_an_advice_that_the_ledger_dislikes_is_posted_and_filed(
    shard: Shard, sender: Sender
) -> None:
    shard.submit(sender, "GATE-1", [advice(1, card="NEVER-ISSUED")])
    commit(shard)
    (outcome,) = sender.outcomes
    assert outcome.result == "posted"
    assert Reason.CARD_UNKNOWN in outcome.exceptions
    checkpoint = shard.store.begin_checkpoint()
    assert checkpoint is not None
    assert [position for position, _ in checkpoint.exceptions] == [outcome.position]


def test_the_journals_time_never_runs_backwards(shard: Shard, clock: Clock) -> None:
    before = shard.book.decided_ms
    clock.ms -= 10_000
    assert shard.now().ms == before


def test_the_oldest_wait_and_the_counts_can_be_read(
    shard: Shard, sender: Sender, clock: Clock
) -> None:
    shard.submit(sender, "GATE-1", [tap(1), tap(2)])
    clock.s += 3
    trace = shard.trace()
    assert (trace.depth, trace.accepted, trace.oldest_age_s) == (2, 4, 3.0)
    assert shard.load == 2 / limits.OPEN_ENTRIES_MAX
    commit(shard)
    assert shard.trace().depth == shard.trace().oldest_age_s == 0


def test_an_issue_of_the_same_card_twice_is_refused_and_remembered(shard: Shard) -> None:
    (refused,) = send(shard, Issue(CARD, "account", "dki"), terminal="DESK-2")
    (again,) = send(shard, Issue(CARD, "account", "dki"), terminal="DESK-2")
    assert (refused.reason, refused.repeated) == (Reason.CARD_EXISTS, False)
    assert (again.reason, again.repeated) == (Reason.CARD_EXISTS, True)


def test_the_index_of_transactions_serves_frames_of_any_shape() -> None:
    index = RunIndex(lambda _terminal, _counter: None)
    index.note("GATE-1", 1, 0, 1)
    index.note("GATE-1", 2, 1, 1)
    index.note("GATE-1", 9, 2, 1)
    assert [index.position_of("GATE-1", counter) for counter in (1, 2, 9)] == [0, 1, 2]
