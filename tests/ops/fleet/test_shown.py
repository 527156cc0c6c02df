"""What the tables about a fleet have in common."""

from __future__ import annotations

import pytest

from ops.fleet.shown import ago, cell, counted, in_json
from terminals.messages import CommandPlace, DraftRow, Lists

NOW_MS = 1_795_000_000_000


@pytest.mark.parametrize(
    ("at_ms", "said"),
    [
        (NOW_MS - 7_200_000, "2 h ago"),
        (NOW_MS + 400, "0 s ago"),
        (NOW_MS + 1_000, "in 1 s"),
        (NOW_MS + 172_800_000, "in 2 d"),
    ],
)
def test_a_time_is_past_or_ahead(at_ms: int, said: str) -> None:
    assert ago(NOW_MS, at_ms) == said


def test_numbers_have_their_noun() -> None:
    assert counted(1, "key") == "1 key"
    assert counted(1_200, "key") == "1,200 keys"
    assert counted(0, "entry", "entries") == "0 entries"


def test_a_cell_shows_what_there_is() -> None:
    assert cell("a", "", "b").plain == "a\nb"
    assert cell("", "").plain == "-"


def test_records_are_objects_and_bytes_are_hex() -> None:
    draft = DraftRow("X1", "deny", "ani", 5, NOW_MS, "")
    found = in_json(Lists((), (draft,)))
    assert found == {
        "lists": [],
        "drafts": [
            {
                "draft": "X1",
                "name": "deny",
                "officer": "ani",
                "changes": 5,
                "made_ms": NOW_MS,
                "note": "",
            }
        ],
    }
    assert in_json(["tap", b"\x0a", None, (1, CommandPlace("T", "done", 1, ""))]) == [
        "tap",
        "0a",
        None,
        [1, {"terminal": "T", "state": "done", "at_ms": 1, "text": ""}],
    ]
