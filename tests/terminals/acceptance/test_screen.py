"""What the screen of a terminal says."""

from __future__ import annotations

import pytest

from protocol.chip.profile import Record, Use
from terminals.acceptance.point import mark_of
from terminals.acceptance.refusal import Refusal, Refused
from terminals.acceptance.screen import lines_of, uses_shown
from terminals.acceptance.shown import rupiah
from terminals.acceptance.visit import Taken, Turned
from tests.terminals.acceptance.lab import NOON_MS, PLACES


def record(use: Use, amount_rp: int, place: bytes) -> Record:
    return Record(use, NOON_MS // 1000, amount_rp, place, 1)


def test_a_fare_the_balance_and_the_last_uses_are_shown() -> None:
    uses = [
        record(Use.TAP_OUT, 3_500, mark_of("mrt", "Blok M")),
        record(Use.TAP_IN, 0, mark_of("transjakarta_brt", "nobody knows")),
        record(Use.TOP_UP, 20_000, b"\xff\0\0\0"),
        *[record(Use.PURCHASE, 1, mark_of(None, "shop"))] * 4,
    ]
    taken = Taken("9360020000000017", Use.TAP_OUT, -3_500, 46_500, 1, uses=uses)
    assert lines_of(taken, PLACES) == [
        "V Silakan keluar / Exit",
        "  Tarif Rp3.500",
        "  Saldo Rp46.500",
        "  23-09 12:00  keluar  Rp3.500  mrt Blok M",
        "  23-09 12:00  masuk  transjakarta_brt",
        "  23-09 12:00  isi ulang  Rp20.000",
        "  23-09 12:00  belanja  Rp1",
        "  23-09 12:00  belanja  Rp1",
    ]


def test_the_lines_that_tell_earlier_uses_can_be_left_out() -> None:
    use = record(Use.PURCHASE, 1, mark_of(None, "shop"))
    for count, shown in ((0, 0), (2, 2), (7, 5)):
        taken = Taken("9360020000000017", Use.TOP_UP, 1, 2, 1, uses=[use] * count)
        assert uses_shown(taken) == shown
        assert "belanja" not in "".join(lines_of(taken, PLACES)[: 3 if shown else 9])
    assert uses_shown(Turned(Refused(Refusal.EXPIRED))) == 0


def test_a_card_with_little_money_is_told_so() -> None:
    taken = Taken("9360020000000017", Use.TAP_IN, 0, 9_999)
    assert lines_of(taken, PLACES)[1] == "  Saldo Rp9.999 - segera isi ulang / low"


def test_a_top_up_is_shown_as_what_came() -> None:
    taken = Taken("9360020000000017", Use.TOP_UP, 20_000, 21_000)
    assert lines_of(taken, PLACES)[1:] == ["  Isi ulang Rp20.000", "  Saldo Rp21.000"]


@pytest.mark.parametrize("refusal", Refusal)
def test_every_refusal_is_said_in_both_languages(refusal: Refusal) -> None:
    refused = Refused(refusal, "a detail")
    first, *_ = lines_of(Turned(refused, "9360020000000017", 5), PLACES)
    assert refused.says_id in first
    assert refused.says_en in first
    assert "a detail" not in first


def test_a_refusal_tells_the_balance_where_it_is_known() -> None:
    refused = Refused(Refusal.BELOW_FLOOR)
    assert lines_of(Turned(refused, "", 1_500), PLACES)[1:] == ["  Saldo Rp1.500"]
    assert len(lines_of(Turned(refused), PLACES)) == 1


def test_amounts_are_written_as_in_indonesia() -> None:
    assert [rupiah(amount) for amount in (0, 999, 1_000, 12_345_678)] == [
        "Rp0",
        "Rp999",
        "Rp1.000",
        "Rp12.345.678",
    ]
