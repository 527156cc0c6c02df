"""Verification finds what was planted, and names the block."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from engine.accounts import OPERATOR_REVENUE
from engine.errors import Reason
from engine.transaction import Entry, Intent, Issue, Refund, Replace, Reversal, TopUp
from storage.block import open_block, seal
from storage.errors import StorageDamaged, StorageVersion
from storage.journal import BLOCKS, META, chain
from storage.journal import TABLES as JOURNAL_TABLES
from storage.memory_store import MemoryStore
from storage.store import all_rows
from storage.verify import PROBLEMS_MAX, Report, verify
from storage.view_rows import (
    ACCOUNTS,
    CARDS,
    DERIVED_TABLES,
    STANDING,
    STANDING_KEY,
    VIEWS_FORMAT,
    VIEWS_TABLES,
    Standing,
    encode,
    name_key,
)
from tests.storage.city import CARDS as NAMES
from tests.storage.city import PROOF, City, intents, lively_city, terminals
from tests.storage.six_blocks import BLOCKS_THERE, block_rows, six_blocks, tap, verified


@pytest.fixture
def city() -> City:
    return six_blocks()


def forge(city: City, number: int, edit: Callable[[list[Entry]], None]) -> None:
    """Change the entries of a block, and seal it and all that follow anew."""
    previous = b""
    for block in list(chain(city.journal)):
        entries = list(block.entries)
        if block.number == number:
            edit(entries)
        sealed, value = seal(
            block.number,
            block.first_position,
            previous or block.previous,
            block.at_ms,
            entries,
        )
        city.journal.write([(BLOCKS, block.first_position.to_bytes(8), value)])
        previous = sealed.hash


def forged_entry(city: City, number: int, at: int, **changes: object) -> None:
    def edit(entries: list[Entry]) -> None:
        entries[at] = replace(entries[at], **changes)

    forge(city, number, edit)


def test_what_is_as_it_was_written_is_found_so(city: City) -> None:
    report = verified(city)
    assert report == Report(
        ok=True,
        blocks=BLOCKS_THERE,
        entries=13,
        sum_of_accounts_rp=0,
        first_bad_block=None,
        problems=(),
        problems_found=0,
        cards=3,
        exceptions=1,
        duplicates=0,
        views_position=12,
    )
    assert verified(city, views=False) == replace(report, views_position=None)


def test_a_card_that_was_heard_of_before_it_took_over_is_counted_once(city: City) -> None:
    city.run(tap(NAMES[3], proof=PROOF), Replace(NAMES[0], NAMES[3]), Replace(NAMES[3], NAMES[0]))
    city.run(tap(NAMES[3]))
    report = verified(city)
    assert report.ok
    assert report.cards == 4


def test_it_makes_no_difference_how_much_is_kept_in_memory(city: City) -> None:
    assert verified(city, in_memory_max=1) == verified(city)


def test_progress_is_told_block_by_block(city: City) -> None:
    told: list[int] = []
    verify(city.journal, None, MemoryStore(tables=VIEWS_TABLES), progress=told.append)
    assert told == [2, 4, 7, 9, 12, 13]


def test_an_empty_journal_is_fine() -> None:
    report = verified(City())
    assert (report.ok, report.blocks, report.entries, report.views_position) == (True, 0, 0, None)


@settings(max_examples=40)
@given(
    blocks=st.lists(
        st.lists(st.tuples(intents, terminals), min_size=1, max_size=8), min_size=1, max_size=6
    ),
    data=st.data(),
)
def test_whatever_a_shard_writes_is_fine(
    blocks: list[list[tuple[Intent, str]]], data: st.DataObject
) -> None:
    city = lively_city()
    for block in blocks:
        for intent, terminal in block:
            city.send(intent, terminal, skip=data.draw(st.sampled_from([0, 0, 1])))
        city.commit()
        match data.draw(st.integers(0, 3)):
            case 0:
                city.shard.checkpoint()
            case 1:
                city.shard.views.write_landmark(city.durable, city.shard.book.accounts)
                city.shard.checkpoint()
            case 2:
                city.restart()
            case _:
                pass
    standing = city.shard.views.standing()
    if standing is None:
        city.shard.views.clear()
    else:
        # A landmark is written together with a checkpoint; this one was not.
        late = [
            (table, key, None)
            for table in ("landmarks", "balances")
            for key, _ in all_rows(city.views, table)
            if int.from_bytes(key[-8:]) > standing.position
        ]
        city.views.write(late)
    report = verified(city, in_memory_max=data.draw(st.integers(1, 30)))
    assert report.problems == ()
    assert report.ok
    assert report.entries == len(city.entries)


def test_what_a_node_appends_meanwhile_is_verified_too(city: City) -> None:
    late = [3]

    def go_on(_entries: int) -> None:
        if late and late.pop():
            city.run(tap(), tap())
            city.shard.checkpoint()

    views = city.views.survivors()
    report = verify(city.journal, views, MemoryStore(tables=VIEWS_TABLES), progress=go_on)
    assert (report.ok, report.entries, report.views_position) == (True, 15, 12)


# --- the journal --------------------------------------------------------------------------------


@pytest.mark.parametrize("number", range(BLOCKS_THERE))
@pytest.mark.parametrize("at", [0, 31, 32, 40, -1])
def test_an_altered_byte_is_found(city: City, number: int, at: int) -> None:
    key, value = block_rows(city)[number]
    altered = bytearray(value)
    altered[at] ^= 0x10
    city.journal.write([(BLOCKS, key, bytes(altered))])
    report = verified(city)
    assert (report.ok, report.first_bad_block, report.blocks) == (False, number, number)


@pytest.mark.parametrize("number", range(BLOCKS_THERE - 1))
def test_a_removed_block_is_found(city: City, number: int) -> None:
    city.journal.write([(BLOCKS, block_rows(city)[number][0], None)])
    report = verified(city)
    assert (report.ok, report.first_bad_block) == (False, number)


def test_a_removed_last_block_is_found_if_the_views_stand_behind_it(city: City) -> None:
    city.shard.checkpoint()
    city.journal.write([(BLOCKS, block_rows(city)[-1][0], None)])
    report = verified(city)
    assert (report.ok, report.first_bad_block) == (False, BLOCKS_THERE - 1)
    assert "the views say that it was there" in report.problems[0]


@pytest.mark.parametrize(("one", "other"), [(0, 1), (1, 4), (2, 3), (0, 5)])
def test_two_swapped_blocks_are_found(city: City, one: int, other: int) -> None:
    rows = block_rows(city)
    city.journal.write(
        [(BLOCKS, rows[one][0], rows[other][1]), (BLOCKS, rows[other][0], rows[one][1])]
    )
    report = verified(city)
    assert (report.ok, report.first_bad_block) == (False, one)


def test_blocks_that_changed_places_with_their_positions_are_found(city: City) -> None:
    blocks = [open_block(value, int) for _, value in block_rows(city)]
    swapped = [*blocks[:3], blocks[4], blocks[3], blocks[5]]
    position, changes = 0, []
    for number, block in enumerate(swapped):
        _, value = seal(number, position, block.previous, block.at_ms, block.entries)
        changes.append((BLOCKS, position.to_bytes(8), value))
        position += len(block.entries)
    city.journal.write([(BLOCKS, key, None) for key, _ in block_rows(city)])
    city.journal.write(changes)
    report = verified(city)
    assert (report.ok, report.first_bad_block) == (False, 3)


def test_a_row_beside_the_chain_is_found(city: City) -> None:
    city.journal.write([(BLOCKS, (1).to_bytes(8), block_rows(city)[0][1])])
    report = verified(city)
    assert not report.ok
    assert report.problems == ("1 rows of the journal are no part of the chain",)


def test_what_the_store_cannot_read_is_told_where_it_is_met(city: City) -> None:
    class Torn(MemoryStore):
        def scan(self, table: str, start: bytes = b"", *, limit: int) -> list[tuple[bytes, bytes]]:
            if start == block_rows(city)[2][0]:
                raise StorageDamaged("a page is missing")
            return city.journal.scan(table, start, limit=limit)

        def scan_back(
            self, table: str, start: bytes | None = None, *, limit: int
        ) -> list[tuple[bytes, bytes]]:
            return city.journal.scan_back(table, start, limit=limit)

    report = verify(Torn(tables=JOURNAL_TABLES), None, MemoryStore(tables=VIEWS_TABLES))
    assert (report.ok, report.blocks, report.first_bad_block) == (False, 2, 2)


# --- entries in sealed blocks ------------------------------------------------------------------


def test_postings_that_do_not_sum_to_zero_are_found(city: City) -> None:
    lines = ((1, NAMES[0], -3500), (OPERATOR_REVENUE, "transjakarta", 3600))
    forged_entry(city, 2, 0, postings=lines)
    report = verified(city)
    assert (report.ok, report.first_bad_block, report.sum_of_accounts_rp) == (False, 2, 100)
    assert "block 2, entry 4: its postings sum to Rp100, not to zero" in report.problems


def test_a_doubled_transaction_is_found(city: City) -> None:
    forged_entry(city, 4, 1, terminal="GATE-1", counter=3)
    report = verified(city)
    assert (report.ok, report.first_bad_block, report.duplicates) == (False, 4, 1)
    assert "block 4, entry 10: its transaction stands in the journal before" in report.problems


def test_a_wrong_balance_is_found(city: City) -> None:
    forged_entry(city, 2, 1, balance_rp=46_501)
    report = verified(city)
    assert (report.ok, report.first_bad_block) == (False, 2)
    assert "block 2, entry 5: it tells a balance of Rp46501, which is Rp46500" in report.problems


@pytest.mark.parametrize("previous", [-1, 0, 3, 5, 7])
def test_a_wrong_pointer_to_the_entry_before_is_found(city: City, previous: int) -> None:
    forged_entry(city, 2, 2, previous=previous)
    report = verified(city, views=False)
    assert (report.ok, report.first_bad_block, report.problems_found) == (False, 2, 1)
    assert report.problems[0] == (
        f"block 2, entry 6: it names {previous} as the card's entry before it, which is 4"
    )


def test_a_clock_that_ran_backwards_is_found(city: City) -> None:
    forged_entry(city, 3, 1, decided_ms=7)
    report = verified(city, views=False)
    assert (report.ok, report.first_bad_block) == (False, 3)
    assert "it was decided before the entry before it" in report.problems[0]


def test_a_refusal_that_moves_money_is_found(city: City) -> None:
    forged_entry(city, 2, 0, reason=Reason.BELOW_FLOOR)
    report = verified(city, views=False)
    assert (report.ok, report.first_bad_block) == (False, 2)
    assert "it was refused and moves money all the same" in report.problems[0]


@pytest.mark.parametrize(
    "changes",
    [
        {"postings": ((77, "x", 5), (OPERATOR_REVENUE, "transjakarta", -5))},
        {"intent": Replace("6013000000000099", "6013000000000098"), "postings": ()},
        {"intent": Reversal("GATE-1", 3), "rule": "no rule"},
    ],
    ids=["unknown kind of account", "replaces no card", "returns by no rule"],
)
def test_an_entry_that_cannot_be_folded_ends_the_walk(
    city: City, changes: dict[str, object]
) -> None:
    forged_entry(city, 3, 0, **changes)
    report = verified(city)
    assert (report.ok, report.first_bad_block, report.blocks) == (False, 3, 3)
    assert "its entry 7 cannot be folded" in report.problems[-1]


def test_only_so_many_problems_are_told_and_all_are_counted() -> None:
    city = City()
    city.run(*[tap(proof=PROOF)] * (PROBLEMS_MAX + 20))

    def edit(entries: list[Entry]) -> None:
        entries[:] = [replace(entry, previous=-1) for entry in entries]

    forge(city, 0, edit)
    report = verified(city)
    assert (len(report.problems), report.problems_found) == (PROBLEMS_MAX, PROBLEMS_MAX + 19)


# --- the views ---------------------------------------------------------------------------------


def planted(city: City, table: str, way: str) -> None:
    rows = list(all_rows(city.views, table))
    assert rows, f"nothing stands in {table}"
    key, value = rows[len(rows) // 2]
    changes = {
        "removed": (table, key, None),
        "altered": (table, key, value[:-1] + bytes((value[-1:] or b"\1")[0] ^ 1 for _ in "1")),
        "added": (table, key[:-1] + bytes((key[-1] ^ 0x7F,)), value),
    }
    city.views.write([changes[way]])


@pytest.mark.parametrize("way", ["removed", "altered", "added"])
@pytest.mark.parametrize("table", DERIVED_TABLES)
def test_a_planted_row_of_the_views_is_found(city: City, table: str, way: str) -> None:
    if (table, way) == ("landmarks", "altered"):
        city.views.write([("landmarks", next(all_rows(city.views, table))[0], b"not empty")])
    else:
        planted(city, table, way)
    report = verified(city)
    assert not report.ok
    assert report.first_bad_block is None, "the journal is sound, and the views can be built anew"
    assert report.problems[0].startswith("the views, ")


@settings(max_examples=60)
@given(data=st.data())
def test_any_damage_to_the_views_is_found(data: st.DataObject) -> None:
    city = City()
    city.run(*(Issue(card, "account", "dki") for card in NAMES[:2]))
    city.run(*(TopUp(card, 50_000, "dki") for card in NAMES[:2]), tap(proof=PROOF))
    city.run(Refund("GATE-1", 5, 500), terminal="BUS-2")
    city.shard.views.write_landmark(city.durable, city.shard.book.accounts)
    city.shard.checkpoint()
    rows = [(table, *row) for table in VIEWS_TABLES for row in all_rows(city.views, table)]
    table, key, value = data.draw(st.sampled_from(rows))
    if data.draw(st.booleans()):
        at = data.draw(st.integers(0, max(0, len(value) - 1)))
        byte = data.draw(st.integers(1, 255))
        altered = bytes(b ^ byte if i == at else b for i, b in enumerate(value)) or b"x"
        city.views.write([(table, key, altered)])
    else:
        city.views.write([(table, key, None)])
    assert not verified(city).ok


def test_the_row_that_differs_is_named(city: City) -> None:
    value = city.views.get(CARDS, name_key(NAMES[0]))
    assert value is not None
    city.views.write([(CARDS, b"6013000000000077", value), (CARDS, name_key(NAMES[0]), None)])
    city.views.write([(ACCOUNTS, b"\x03\x00\x0ctransjakarta", encode(1))])
    report = verified(city)
    assert report.problems == (
        "the views, cards, 6013000000000001: this row is missing",
        "the views, cards, 6013000000000077: this row says what the journal does not say",
        "the views, accounts, 3 transjakarta: this row is not what the journal says",
    )


def test_an_unreadable_run_is_told_with_its_table(city: City) -> None:
    key, _ = next(all_rows(city.views, "runs"))
    city.views.write([("runs", key, b"\xc1")])
    report = verified(city)
    assert report.problems_found == 1
    assert "the views, runs: the views cannot be read" in report.problems[0]


@pytest.mark.parametrize("what", ["position", "block_hash", "decided_ms"])
def test_views_that_stand_elsewhere_than_they_say_are_found(city: City, what: str) -> None:
    standing = city.shard.views.standing()
    assert standing is not None
    others = {"position": 11, "block_hash": bytes(32), "decided_ms": 1}
    altered = replace(standing, **{what: others[what]})
    city.views.write([(STANDING, STANDING_KEY, encode(altered))])
    report = verified(city)
    assert not report.ok
    assert any("do not stand where they say" in problem for problem in report.problems) == (
        what != "position"
    )


@pytest.mark.parametrize(
    "value", [None, b"\xc1", encode(Standing(VIEWS_FORMAT + 1, 12, bytes(32), 0))]
)
def test_rows_of_views_that_stand_nowhere_are_found(city: City, value: bytes | None) -> None:
    city.views.write([(STANDING, STANDING_KEY, value)])
    report = verified(city)
    assert report.problems == ("the views hold rows and do not say where they stand",)
    assert report.views_position is None


# --- on disk -----------------------------------------------------------------------------------


def test_what_a_node_would_refuse_at_its_start_is_a_problem(city: City) -> None:
    city.journal.write([(META, b"format", None)])
    report = verified(city)
    assert (report.ok, report.blocks) == (False, BLOCKS_THERE)
    assert "no format" in report.problems[0]
    city.journal.write([(META, b"format", b"2")])
    with pytest.raises(StorageVersion, match="run the newer version"):
        verified(city)
