"""The journal of a terminal that takes cards: nothing is lost, nothing comes twice."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.errors import StorageFull
from storage.lmdb_store import LmdbStore
from storage.memory_store import MemoryStore
from terminals.acceptance.journal import TABLES, TapJournal, written_shifts
from terminals.acceptance.rows import Attempt, Stamp, packed, with_proof

STAMP = Stamp(1_000, -1, 1, 5)
UID = bytes(range(7))
RIDE = ("tap", "9360020000000017", 3500, "tj", "out", "Blok M", "1", "", None, "transjakarta_brt")


def attempt(sequence: int, *, uid: bytes = UID, change_rp: int = -3500, pays: int = 0) -> Attempt:
    return Attempt(
        sequence=sequence,
        stamp=STAMP,
        uid=uid,
        number="9360020000000017",
        key_version=1,
        change_rp=change_rp,
        value_rp=20_000,
        before=b"b" * 16,
        record=sequence.to_bytes(16, "big"),
        sealed_reader=b"s" * 16,
        packed=packed(RIDE),
        pays=pays,
    )


def opened(store: MemoryStore | LmdbStore, *, kept_max: int = 100) -> TapJournal:
    return TapJournal(store, now_ms=7, kept_max=kept_max)


def done(journal: TapJournal, proof: bytes = b"proof", *, change_rp: int = -3500) -> int:
    sequence = journal.next_sequence()
    uid = sequence.to_bytes(7, "big")
    journal.begin(attempt(sequence, uid=uid, change_rp=change_rp))
    return journal.finish(sequence, proof).counter


def test_an_attempt_becomes_a_tap_when_the_card_has_committed() -> None:
    journal = opened(MemoryStore(tables=TABLES))
    sequence = journal.next_sequence()
    journal.begin(attempt(sequence))
    assert journal.torn(UID) == attempt(sequence)
    assert journal.backlog == 0
    tap = journal.finish(sequence, b"proof")
    assert journal.torn(UID) is None
    assert tap.counter == 1
    assert tap.intent == [*RIDE[:8], b"proof", RIDE[9]]
    assert journal.unsettled(10) == [tap]
    assert journal.unsent_rp == 3500


def test_what_the_card_never_did_leaves_no_gap_in_the_counters() -> None:
    journal = opened(MemoryStore(tables=TABLES))
    first = done(journal)
    sequence = journal.next_sequence()
    journal.begin(attempt(sequence))
    journal.drop(sequence)
    assert (first, done(journal)) == (1, 2)
    assert journal.attempts() == []


def test_everything_is_there_after_a_start(tmp_path: Path) -> None:
    def store() -> LmdbStore:
        return LmdbStore(tmp_path / "journal", tables=TABLES)

    first = store()
    journal = opened(first)
    done(journal)
    sequence = journal.next_sequence()
    journal.begin(attempt(sequence))
    owed = journal.owe(("top_up", "c", 5, "dki", 0, "bank"), STAMP, "c", 5)
    first.close()
    second = store()
    again = opened(second)
    assert again.run == journal.run + 1
    assert again.attempts() == [attempt(sequence)]
    assert [one.counter for one in again.owed()] == [owed.counter]
    assert [tap.counter for tap in again.unsettled(10)] == [1, 2]
    assert again.next_sequence() > sequence
    assert again.unsent_rp == 3500
    second.close()


def test_a_lost_attempt_stays_on_the_list_and_holds_up_no_card() -> None:
    journal = opened(MemoryStore(tables=TABLES))
    sequence = journal.next_sequence()
    journal.begin(attempt(sequence))
    journal.lose(sequence)
    assert journal.torn(UID) is None
    assert [one.lost for one in journal.attempts()] == [True]


def test_times_are_fixed_once() -> None:
    store = MemoryStore(tables=TABLES)
    journal = opened(store)
    done(journal)
    assert [tap.at_ms for tap in journal.fix_times({1: 99, 5: 1})] == [99]
    assert opened(store).unsettled(1)[0].at_ms == 99


def test_settled_taps_are_kept_for_a_while() -> None:
    journal = opened(MemoryStore(tables=TABLES), kept_max=3)
    for _ in range(8):
        done(journal)
    journal.settle(dict.fromkeys(range(1, 7), "posted"), 50)
    assert journal.backlog == 2
    assert journal.contact_ms == 50
    assert journal.unsent_rp == 2 * 3500
    assert [tap.counter for tap in journal.taps(1, 100, 100)] == [4, 5, 6, 7, 8]
    assert journal.tap(3) is None
    found = journal.tap(4)
    assert found is not None
    assert found.result == "posted"


def test_taps_are_settled_in_order_and_none_is_left_out() -> None:
    journal = opened(MemoryStore(tables=TABLES))
    done(journal)
    done(journal)
    with pytest.raises(AssertionError, match="in order"):
        journal.settle({2: "posted"}, 0)
    with pytest.raises(AssertionError, match="left out"):
        journal.settle({1: "posted", 3: "posted"}, 0)


def test_a_new_journal_goes_on_above_what_the_node_has_seen() -> None:
    journal = opened(MemoryStore(tables=TABLES))
    journal.follow(41, 60)
    assert journal.contact_ms == 60
    assert (done(journal), done(journal)) == (42, 43)
    shift = journal.shift()
    assert shift is not None
    assert (shift.first, shift.last, shift.count) == (42, 43, 2)


def test_what_was_never_sent_is_numbered_anew_above_what_the_node_has_seen() -> None:
    store = MemoryStore(tables=TABLES)
    journal = opened(store)
    done(journal)
    journal.close_shift(80)
    leg = journal.owe(("top_up", "c", 5, "dki", 0, "bank"), STAMP, "c", 5)
    sequence = journal.next_sequence()
    journal.begin(attempt(sequence, change_rp=5, pays=leg.counter))
    before = [tap.packed for tap in journal.unsettled(10)]
    journal.follow(41, 60)
    for again in (journal, opened(store)):
        assert [tap.counter for tap in again.unsettled(10)] == [42, 43]
        assert [tap.packed for tap in again.unsettled(10)] == before
        assert [one.counter for one in again.owed()] == [43]
        assert [one.pays for one in again.attempts()] == [43]
        assert (again.last_counter, again.backlog) == (43, 2)
        shifts = [again.shift(number) for number in (1, 2)]
        assert [(one.first, one.last) for one in shifts if one] == [(42, 42), (43, 43)]
        assert again.tap(1) is None
    journal.settle({42: "posted", 43: "posted"}, 90)
    assert [one.last for one in journal.shifts_to_certify()] == [42]
    assert journal.finish(sequence, b"p").counter == 44
    assert journal.owed() == []


def test_numbers_that_overlap_are_moved_one_after_the_other() -> None:
    journal = opened(MemoryStore(tables=TABLES))
    for _ in range(5):
        done(journal)
    journal.follow(2, 60)
    assert [tap.counter for tap in journal.taps(1, 100, 100)] == [3, 4, 5, 6, 7]
    assert done(journal) == 8


def test_a_shift_that_began_before_keeps_its_beginning() -> None:
    journal = opened(MemoryStore(tables=TABLES))
    done(journal)
    journal.settle({1: "posted"}, 5)
    done(journal)
    journal.follow(9, 60)
    shift = journal.shift()
    assert shift is not None
    assert (shift.first, shift.last, shift.count) == (1, 10, 2)
    assert journal.tap(1) is not None


def test_what_may_have_been_sent_keeps_its_number() -> None:
    journal = opened(MemoryStore(tables=TABLES))
    done(journal)
    journal.fix_times({1: 99})
    done(journal)
    journal.follow(40, 60)
    assert [tap.counter for tap in journal.unsettled(10)] == [1, 2]
    assert journal.contact_ms == 60


def test_a_journal_with_taps_keeps_its_shift_when_the_node_knows_more() -> None:
    journal = opened(MemoryStore(tables=TABLES))
    done(journal)
    journal.settle({1: "posted"}, 5)
    journal.follow(10, 6)
    shift = journal.shift()
    assert shift is not None
    assert (shift.first, shift.count, done(journal)) == (1, 1, 11)


def test_what_is_owed_to_a_card_is_paid_with_its_top_up() -> None:
    journal = opened(MemoryStore(tables=TABLES))
    leg = journal.owe(("top_up", "c", 5, "dki", 0, "bank"), STAMP, "c", 5)
    sequence = journal.next_sequence()
    journal.begin(attempt(sequence, change_rp=5, pays=leg.counter))
    assert journal.owed()
    journal.finish(sequence, b"p")
    assert journal.owed() == []


def test_what_a_bank_refused_is_owed_no_more_and_what_is_given_back_is_told() -> None:
    journal = opened(MemoryStore(tables=TABLES))
    one = journal.owe(("top_up", "c", 5, "dki", 0, "bank"), STAMP, "c", 5)
    other = journal.owe(("top_up", "c", 6, "dki", 0, "bank"), STAMP, "c", 6)
    journal.give_up(one.counter)
    back = journal.give_back(other.counter, ("reversal", "KIOSK", other.counter), STAMP)
    assert journal.owed() == []
    assert back.intent == ["reversal", "KIOSK", 2]
    assert back.counter == 3


def test_a_shift_counts_what_was_done_in_it() -> None:
    journal = opened(MemoryStore(tables=TABLES))
    done(journal)
    done(journal, change_rp=10_000)
    journal.add(("reversal", "T", 1), STAMP)
    closed = journal.close_shift(90)
    assert (closed.number, closed.first, closed.last, closed.count) == (1, 1, 3, 3)
    assert (closed.taken_rp, closed.added_rp) == (3500, 10_000)
    assert (closed.opened_ms, closed.closed_ms) == (7, 90)
    assert journal.shift(1) == closed
    empty = journal.close_shift(91)
    assert (empty.first, empty.last, empty.count) == (4, 3, 0)
    assert journal.shift(99) is None


def test_a_closed_shift_waits_for_the_node_until_all_of_it_is_settled() -> None:
    store = MemoryStore(tables=TABLES)
    journal = opened(store)
    done(journal)
    done(journal)
    assert journal.shifts_to_certify() == []
    closed = journal.close_shift(90)
    journal.settle({1: "posted"}, 91)
    assert (closed.state, journal.waiting_shifts) == ("waiting", 1)
    assert journal.shifts_to_certify() == []
    journal = opened(store)
    journal.settle({2: "posted"}, 92)
    assert journal.shifts_to_certify() == [closed]
    journal.certify(1, 95, complete=True)
    assert journal.waiting_shifts == opened(store).waiting_shifts == 0
    assert journal.shifts_to_certify() == []
    certified = journal.shift(1)
    assert certified is not None
    assert (certified.state, certified.certified_ms) == ("complete", 95)


def test_shifts_are_certified_in_their_order_and_may_lack_something() -> None:
    store = MemoryStore(tables=TABLES)
    journal = opened(store)
    first, second = journal.close_shift(10), journal.close_shift(20)
    assert journal.shifts_to_certify() == [first, second]
    journal.certify(first.number, 30, complete=False)
    assert journal.shifts_to_certify() == [second]
    assert [one.state for one in written_shifts(store)] == ["incomplete", "waiting", "open"]
    assert [one.number for one in written_shifts(store, last=1)] == [1]


def test_old_shifts_go_once_they_are_certified(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("terminals.acceptance.journal.KEPT_SHIFTS_MAX", 2)
    store = MemoryStore(tables=TABLES)
    journal = opened(store)
    for number in range(1, 6):
        journal.close_shift(number)
        if number != 2:
            journal.certify(number, number, complete=True)
    assert [one.number for one in written_shifts(store)] == [2, 4, 5, 6]
    journal.certify(2, 9, complete=True)
    journal.close_shift(6)
    assert [one.number for one in written_shifts(store)] == [5, 6, 7]


def test_a_shift_of_an_older_program_is_not_certified_yet() -> None:
    store = MemoryStore(tables=TABLES)
    written = msgspec.msgpack.encode((1, 7, 1, 0, 0, 0, 0, 50))
    opened(store)
    store.write([("shifts", (1).to_bytes(8, "big"), written)])
    assert [one.state for one in written_shifts(store)] == ["waiting"]


def test_on_a_full_disk_nothing_changes() -> None:
    store = MemoryStore(tables=TABLES)
    journal = opened(store)
    done(journal)
    sequence = journal.next_sequence()
    store.fail_next(StorageFull("no room"))
    with pytest.raises(StorageFull):
        journal.begin(attempt(sequence))
    assert journal.attempts() == []
    journal.begin(attempt(sequence))
    store.fail_next(StorageFull("no room"))
    with pytest.raises(StorageFull):
        journal.finish(sequence, b"p")
    assert journal.attempts() == [attempt(sequence)]
    assert journal.finish(sequence, b"p").counter == 2


@given(steps=st.lists(st.sampled_from(["tap", "drop", "owe", "settle", "start"]), max_size=40))
def test_counters_have_no_gaps_whatever_happens(steps: list[str]) -> None:
    store = MemoryStore(tables=TABLES)
    journal = opened(store, kept_max=1_000)
    for step in steps:
        if step == "tap":
            done(journal)
        elif step == "drop":
            sequence = journal.next_sequence()
            journal.begin(attempt(sequence))
            journal.drop(sequence)
        elif step == "owe":
            journal.owe(("top_up", "c", 5, "dki", 0, "bank"), STAMP, "c", 5)
        elif step == "settle" and journal.backlog:
            first = journal.last_counter - journal.backlog + 1
            journal.settle({first: "posted"}, 1)
        else:
            journal = opened(store, kept_max=1_000)
    told = [tap.counter for tap in journal.taps(1, 10_000, 10_000)]
    assert told == list(range(1, journal.last_counter + 1))
    shift = journal.shift()
    assert shift is not None
    assert shift.count == journal.last_counter
    taken_rp = sum(-tap.change_rp for tap in journal.unsettled(1_000))
    assert journal.unsent_rp == taken_rp


@pytest.mark.parametrize(
    ("intent", "after"),
    [
        (["purchase", "c", 5, "shop", "here", "", None, "food"], 6),
        (["top_up", "c", 5, "dki", 0, "chip", "", None], 7),
        (list(RIDE), 8),
    ],
)
def test_each_intent_has_its_proof_where_the_protocol_has_it(
    intent: list[str | int | None], after: int
) -> None:
    with_it = [*intent[:after], b"x", *intent[after + 1 :]]
    assert with_proof(packed(intent), b"x") == packed(with_it)
