"""The latency of a tap, by a few taps, with PC/SC and without."""

from __future__ import annotations

from pathlib import Path
from typing import Self

import pytest

from bench import tap
from bench.errors import BenchError
from bench.lanes import card_keys, make_card, new_masters
from bench.setting import Bench
from ops.node import now_ms
from ops.virtual_card.pcscd import ServiceFailed
from terminals.pcsc.service import Leaving
from tests.readers.pcsc_stack import need_stack


def test_a_tap_without_pcsc_is_the_sum_of_its_parts(tmp_path: Path) -> None:
    taps = tap.bare_taps(tmp_path, 3)
    assert len(taps) == 3
    for each in taps:
        parts = (each.apdu_s, each.own_s, each.journal_s, each.around_s)
        assert min(parts) > 0
        assert sum(parts) == pytest.approx(each.whole_s)
        assert len(each.steps) == 10


def test_a_tap_goes_through_a_real_reader_and_takes_the_same_commands(tiny: Bench) -> None:
    need_stack()
    figures = {each.name: each.values for each in tap.tap(tiny)}
    assert tiny.no_readers == ""
    assert figures["tap_pcsc_p50_ms"][0] > 0
    assert figures["tap_round_trips"] == [9]
    assert figures["tap_commands"] == [10]
    assert 30 < figures["tap_air_106_ms"][0] < 60
    assert figures["tap_air_848_ms"][0] < 10


def test_where_there_are_no_readers_it_is_said(
    tiny: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tap, "missing", lambda: "pcscd is not installed")
    names = {each.name for each in tap.tap(tiny)}
    assert "tap_bare_p50_ms" in names
    assert not any("pcsc" in name for name in names)
    assert tiny.no_readers == "pcscd is not installed"


def test_a_service_that_does_not_start_fails_the_run(
    tiny: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Pool:
        def __init__(self, *_: object) -> None:
            pass

        def __enter__(self) -> Self:
            return self

        def __exit__(self, *_: object) -> None:
            pass

        def submit(self, *_: object) -> object:
            raise ServiceFailed("pcscd does not start")

    monkeypatch.setattr(tap, "missing", lambda: "")
    monkeypatch.setattr(tap, "ProcessPoolExecutor", Pool)
    with pytest.raises(BenchError, match="does not start"):
        tap.tap(tiny)


def test_a_card_that_is_turned_away_fails_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tap, "VALUE_RP", 4_000)
    with pytest.raises(BenchError, match="was not taken"):
        tap.bare_taps(tmp_path, 1)


def test_a_card_without_a_reader_is_one_all_the_same() -> None:
    card = make_card(card_keys(new_masters(bytes)), 1, now_ms(), bytes)
    here = tap.NoService(card)
    assert here.wait({tap.READER: None})[tap.READER].present
    assert here.wait(here.wait({tap.READER: None})) == {}
    (reader,) = here.readers()
    connection = here.connect(reader)
    assert connection.transmit(bytes.fromhex("FFCA000000"))[-2:] == b"\x90\x00"
    connection.close(Leaving.RESET)
    here.cancel()
    here.release()
