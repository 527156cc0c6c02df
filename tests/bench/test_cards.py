"""A folder with many cards is what a node would have written."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench import cards
from bench.load import BALANCE_RP
from storage.verify import verify_folder


def test_a_filled_folder_verifies_and_is_checkpointed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cards, "CARDS_PER_BLOCK", 30)
    monkeypatch.setattr(cards, "ENTRIES_PER_CHECKPOINT", 100)
    told: list[int] = []
    cards.fill(tmp_path / "data", 100, progress=told.append)
    (tmp_path / "scratch").mkdir()
    report = verify_folder(tmp_path / "data", tmp_path / "scratch")
    assert report.ok, report.problems
    assert (report.cards, report.entries, report.blocks) == (100, 200, 4)
    assert report.views_position == 200
    assert report.sum_of_accounts_rp == 0
    assert told == [30, 60, 90, 100]
    assert BALANCE_RP > 0
