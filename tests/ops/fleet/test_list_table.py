"""How lists are shown."""

from __future__ import annotations

from ops.fleet.list_table import show_lists
from terminals.messages import DraftRow, ListRow, Lists
from tests.ops.fleet.screen import seen, words

NOW_MS = 1_795_000_000_000

ROW = ListRow(
    name="deny",
    version=7,
    hash=bytes(32),
    entries=1_204,
    file_bytes=23_552,
    published_ms=NOW_MS - 180_000,
    activate_ms=NOW_MS - 180_000,
    officer="ani",
    second_officer="",
    note="depot Cawang",
    holders=19_990,
    connected=20_000,
    reached_ms=(1_900, 4_700, -1),
    mismatches=0,
)


def shown(*rows: ListRow, drafts: tuple[DraftRow, ...] = ()) -> str:
    return seen(lambda console: show_lists(console, Lists(rows, drafts), NOW_MS))


def test_a_list_tells_who_published_it_and_how_far_it_has_spread() -> None:
    lines = [line.split() for line in shown(ROW).splitlines()]
    assert lines[1][:6] == ["deny", "7", "1,204", "3", "min", "ago"]
    assert lines[1][6:] == ["since", "19,990", "of", "20,000", "50", "%:", "1.9", "s"]
    assert lines[2][:4] == ["23.0", "KiB", "by", "ani"]
    assert lines[2][6:] == ["99.9", "%", "95", "%:", "4.7", "s"]
    assert lines[3] == ["depot", "Cawang", "100", "%:", "-"]


def test_terminals_that_came_to_something_else_are_counted() -> None:
    assert "3 mismatches" in shown(ROW._replace(mismatches=3))
    assert "1 mismatch\n" not in shown(ROW)


def test_a_list_that_is_not_in_use_yet_tells_when() -> None:
    later = ROW._replace(activate_ms=NOW_MS + 7_200_000, second_officer="budi")
    text = words(shown(later))
    assert "in 2 h" in text
    assert "by ani and budi" in text
    assert "at once" in shown(ROW._replace(activate_ms=0))


def test_a_list_that_nobody_wants_has_no_share() -> None:
    assert "nobody connected" in shown(ROW._replace(holders=0, connected=0))


def test_drafts_that_wait_are_shown_with_what_can_be_done() -> None:
    draft = DraftRow("X1", "deny", "ani", 40_000, NOW_MS - 60_000, "bad data?")
    text = shown(ROW, drafts=(draft,))
    assert "1 draft waiting for a second officer:" in text
    assert "40,000" in text
    assert "jakarta-one lists approve DRAFT" in text


def test_nothing_published_is_said() -> None:
    assert shown() == "no list was ever published here"
