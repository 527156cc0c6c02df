"""Certificates of shifts: what the node has, beside what the terminal did, and what lacks."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Final

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol import limits
from terminals.acceptance.certificate import (
    LISTED_MAX,
    SHOWN_MAX,
    Certificate,
    Results,
    certificate,
    parts,
    question,
    untold_after,
)
from terminals.acceptance.rows import Shift, Stamp, Tap, packed
from terminals.chip_answers import ShiftFound
from tests.terminals.acceptance.lab import NOON_MS
from tests.terminals.acceptance.test_journal import attempt

SHIFT: Final = Shift(
    number=3,
    opened_ms=NOON_MS,
    first=11,
    last=14,
    count=4,
    taken_rp=7_000,
    added_rp=10_000,
    closed_ms=NOON_MS + 8 * 3_600_000,
)
ALL: Final = ShiftFound(
    complete=True, count=4, taken_rp=7_000, added_rp=10_000, unproved=0, missing=0, gaps=()
)


def tap(counter: int, result: str = "posted", change_rp: int = -3_500) -> Tap:
    return Tap(
        counter=counter,
        stamp=Stamp(NOON_MS, -1, 1, 5),
        at_ms=NOON_MS,
        change_rp=change_rp,
        packed=packed(["reversal", "T", counter]),
        result=result,
    )


def made(
    *answers: ShiftFound, shift: Shift = SHIFT, taps: list[Tap] | None = None, attempts: int = 0
) -> Certificate:
    taps = [tap(counter) for counter in range(11, 15)] if taps is None else taps
    opened = [attempt(sequence) for sequence in range(attempts)]
    return certificate("GATE-01", shift, answers, Results(taps), opened)


def test_a_shift_of_which_the_node_has_all_is_complete() -> None:
    told = made(ALL)
    assert told.complete
    assert told.lines() == [
        "V LENGKAP / COMPLETE: shift 3, GATE-01",
        "  2026-09-23 12:00 - 2026-09-23 20:00 WIB",
        "  Transaksi / Transactions: 4, 11-14",
        "  Debet / Debited: Rp7.000",
        "  Kredit / Credited: Rp10.000",
    ]
    written = json.loads(json.dumps(told.in_json()))
    assert list(written) == list(told.__struct_fields__)
    assert (written["terminal"], written["complete"], written["gaps"]) == ("GATE-01", True, [])


def test_what_lacks_is_told_exactly() -> None:
    lacking = replace(
        ALL, count=1, taken_rp=3_500, added_rp=0, missing=3, gaps=((11, 11), (13, 14))
    )
    told = made(lacking)
    assert not told.complete
    assert (told.missing, told.gaps) == (3, ((11, 11), (13, 14)))
    assert told.lines()[0].startswith("X TIDAK LENGKAP / NOT COMPLETE")
    assert told.lines()[5:] == [
        "! Tidak ada di pusat / Missing at the node: 3",
        "    11",
        "    13-14",
        "! Transaksi di pusat / Transactions at the node: 1",
        "! Debet di pusat / Debited at the node: Rp3.500 (-Rp3.500)",
        "! Kredit di pusat / Credited at the node: Rp0 (-Rp10.000)",
    ]


@pytest.mark.parametrize("field", ["count", "taken_rp", "added_rp", "missing"])
@pytest.mark.parametrize("by", [-1, 1])
def test_a_shift_is_complete_only_if_all_figures_are_the_same(field: str, by: int) -> None:
    assert not made(replace(ALL, **{field: getattr(ALL, field) + by})).complete


def test_what_the_node_did_not_believe_or_take_is_listed() -> None:
    taps = [
        tap(11, "posted: proof_forged", 0),
        tap(12, "refused: purse_floor"),
        tap(13, "conflict", 10_000),
        tap(14),
    ]
    told = made(replace(ALL, unproved=1), taps=taps)
    assert not told.complete, "what stands under a counter is something else"
    assert (told.unproved, told.refused, told.conflicts) == (1, 1, 1)
    assert told.lines()[5:] == [
        "- Tanpa bukti kartu / Unproved by a card: 1",
        "- Ditolak pusat / Refused by the node: 1",
        "- Nomor ganda / Something else at the node: 1",
        "    11  Rp0  posted: proof_forged",
        "    12  -Rp3.500  refused: purse_floor",
        "    13  +Rp10.000  conflict",
    ]


def test_a_refusal_does_not_make_a_shift_incomplete() -> None:
    taps = [tap(11, "refused: bank_unknown", 0), *(tap(counter) for counter in (12, 13, 14))]
    assert made(ALL, taps=taps).complete


def test_attempts_that_are_open_are_listed_without_the_number_of_the_card() -> None:
    lost = msgspec.structs.replace(attempt(2), lost=True, stamp=Stamp(1, NOON_MS, 1, 5))
    told = certificate(
        "GATE-01", SHIFT, [ALL], Results(map(tap, range(11, 15))), [attempt(1), lost]
    )
    assert told.complete
    assert told.lines()[5:] == [
        "- Belum jelas / Not known whether made: 2",
        "    ...0017  -Rp3.500  1970-01-01 07:00",
        "    ...0017  -Rp3.500  2026-09-23 12:00  tidak terlacak / cannot be told any more",
    ]
    assert "936002" not in json.dumps(told.in_json())
    assert [one.lost for one in told.open_attempts] == [False, True]


def test_a_certificate_stays_small() -> None:
    shift = msgspec.structs.replace(SHIFT, last=1_010, count=1_000)
    taps = [tap(counter, "refused: unknown") for counter in range(11, 511)]
    gaps = tuple((counter, counter) for counter in range(600, 700, 2))
    answer = replace(ALL, missing=50, gaps=gaps)
    told = made(answer, shift=shift, taps=taps, attempts=300)
    assert (told.refused, len(told.not_posted)) == (500, LISTED_MAX)
    assert (told.attempts, len(told.open_attempts)) == (300, LISTED_MAX)
    assert told.forgotten == 500
    lines = told.lines()
    more = [line.strip() for line in lines if line.startswith("    +")]
    assert more == ["+ 30", f"+ {500 - SHOWN_MAX}", f"+ {300 - SHOWN_MAX}"]
    assert "- Tidak disimpan lagi / Not kept here any more: 500" in lines
    assert len(lines) < 100


def test_of_an_empty_shift_nothing_is_asked() -> None:
    empty = Shift(number=1, opened_ms=0, first=5, last=4, closed_ms=9)
    assert list(parts(empty)) == []
    told = certificate("GATE-01", empty, [], Results(), [])
    assert told.complete
    assert "  Transaksi / Transactions: 0" in told.lines()


def test_a_question_is_as_the_protocol_has_it() -> None:
    assert question("GATE-01", SHIFT, 11, 14) == ["shift", "GATE-01", 11, 14, 7_000, 10_000]
    rich = msgspec.structs.replace(SHIFT, taken_rp=2 * limits.SHIFT_RP_MAX)
    assert question("GATE-01", rich, 11, 14)[4] == limits.SHIFT_RP_MAX


@given(first=st.integers(1, 10**6), count=st.integers(0, 100_000))
def test_a_long_shift_is_asked_about_in_parts(first: int, count: int) -> None:
    shift = msgspec.structs.replace(SHIFT, first=first, last=first + count - 1)
    asked = [counter for low, high in parts(shift) for counter in (low, high)]
    spans = list(parts(shift))
    assert all(high - low < limits.SHIFT_COUNTERS_MAX for low, high in spans)
    assert sum(high - low + 1 for low, high in spans) == count
    assert asked == sorted(asked)
    assert not count or (asked[0], asked[-1]) == (shift.first, shift.last)


def test_parts_are_put_together_and_a_gap_over_their_border_is_one() -> None:
    one = replace(ALL, count=1, taken_rp=3_500, added_rp=0, missing=1, gaps=((12, 12),))
    other = replace(ALL, count=1, taken_rp=3_500, added_rp=10_000, missing=1, gaps=((13, 13),))
    told = made(one, other)
    assert (told.node_count, told.node_taken_rp, told.node_added_rp) == (2, 7_000, 10_000)
    assert (told.missing, told.gaps) == (2, ((12, 13),))


def test_an_answer_without_room_for_all_gaps_says_where_they_go_on() -> None:
    assert untold_after(ALL) is None
    assert untold_after(replace(ALL, missing=2, gaps=((11, 12),))) is None
    assert untold_after(replace(ALL, missing=3, gaps=((11, 12),))) == 12
