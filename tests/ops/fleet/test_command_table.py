"""How commands are shown."""

from __future__ import annotations

from ops.fleet.command_table import counts, show_command, show_commands, show_journal
from terminals.messages import CommandPlace, CommandRow, JournalLine, OwnTransaction
from tests.ops.fleet.screen import seen, words

NOW_MS = 1_795_000_000_000

ROW = CommandRow(
    number=5,
    id="ani/20261127-213105-e4ed81b5",
    body=["send_journal", 1, 500],
    officer="ani",
    ordered_ms=NOW_MS - 120_000,
    expires_ms=NOW_MS + 3_480_000,
    accepted=19_000,
    delivered=0,
    done=950,
    failed=50,
    expired=0,
)


def test_commands_are_shown_with_where_they_stand() -> None:
    text = seen(lambda console: show_commands(console, [ROW], -1, NOW_MS))
    assert [words(line) for line in text.splitlines()[1:]] == [
        "ani/20261127-213105-e4ed81b5 send_journal 1 500 2 min ago in 58 min 19,000 accepted",
        "950 done",
        "50 failed",
    ]
    assert "more with" not in text


def test_what_is_left_out_is_said() -> None:
    assert "more with --all" in seen(lambda console: show_commands(console, [ROW], 5, NOW_MS))


def test_no_command_is_no_table() -> None:
    text = seen(lambda console: show_commands(console, [], -1, NOW_MS))
    assert text == "no command was ever given here"


def test_states_are_counted_by_name() -> None:
    assert counts(ROW) == {
        "accepted": 19_000,
        "delivered": 0,
        "done": 950,
        "failed": 50,
        "expired": 0,
    }


def test_one_command_is_shown_with_its_terminals() -> None:
    places = [
        CommandPlace("GATE-01", "done", NOW_MS - 60_000, ""),
        CommandPlace("GATE-02", "failed", NOW_MS - 1_000, "the [motor] is stuck"),
    ]
    text = seen(lambda console: show_command(console, ROW, places, "GATE-02", NOW_MS))
    lines = [words(line) for line in text.splitlines()]
    assert "GATE-01 done 60 s ago" in lines
    assert "GATE-02 failed 1 s ago the [motor] is stuck" in lines
    assert lines[-1].startswith("more with --all")
    whole = seen(lambda console: show_command(console, ROW, places, "", NOW_MS))
    assert "more with" not in whole


def test_a_journal_tells_what_the_node_does_not_have() -> None:
    intent = ["tap", "C", 3_500, "mrtj", "in", "", "", "", b"\x0a"]
    written = [OwnTransaction(counter, NOW_MS, intent) for counter in (5, 6)]
    lines = [JournalLine(written[0], 77), JournalLine(written[1], -1)]
    text = seen(lambda console: show_journal(console, lines))
    assert "tap C 3500 mrtj in 0a position 77" in words(text)
    assert "tap C 3500 mrtj in 0a never came" in words(text)
    assert "2 transactions came; 1 of them the node does not have" in text
