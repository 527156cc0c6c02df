"""What a terminal shows on a console, and what it writes for machines."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence

import pytest
from rich.console import Console

from ops.terminal.screen import ConsoleScreen, JsonScreen, visit_in_json
from protocol.chip.profile import Record, Use
from terminals.acceptance.point import mark_of
from terminals.acceptance.refusal import Refusal, Refused
from terminals.acceptance.screen import lines_of
from terminals.acceptance.visit import Taken, Turned, Visit
from tests.terminals.acceptance.lab import NOON_MS, PLACES

NUMBER = "9360020000000017"
USES = [Record(Use.TAP_OUT, NOON_MS // 1000, 3_500, mark_of("mrt", "Senayan"), 7)] * 6
TAKEN = Taken(NUMBER, Use.PURCHASE, -3_500, 46_500, 12, rule="", uses=USES)


class Shown:
    def __init__(self) -> None:
        self._file = io.StringIO()
        self.screen = ConsoleScreen(Console(file=self._file, width=100))

    @property
    def lines(self) -> list[str]:
        return self._file.getvalue().splitlines()


def test_lines_are_shown_under_the_name_of_their_reader_and_once() -> None:
    shown = Shown()
    for _ in range(3):
        shown.screen.show("Reader [a] 00", ["one", "two"])
    shown.screen.show("Reader B", ["one", "two"])
    shown.screen.show("Reader [a] 00", ["three"])
    assert shown.lines == [
        *("[Reader [a] 00]", "one", "two"),
        *("[Reader B]", "one", "two"),
        *("[Reader [a] 00]", "three"),
    ]


def test_a_visit_is_shown_with_its_time_also_where_the_same_stands_there() -> None:
    shown = Shown()
    for _ in range(2):
        shown.screen.visited("A", TAKEN, ["V Paid", "  Rp3.500"], 0.1234)
    assert shown.lines == ["[A]", "V Paid  (123 ms)", "  Rp3.500"] * 2


def test_a_visit_that_was_cleared_up_is_shown_as_such() -> None:
    shown = Shown()
    back = Taken(NUMBER, Use.TAP_IN, 0, 1, 2, recovered=True)
    shown.screen.visited("A", back, ["V Enter"], 0.05)
    assert shown.lines[1] == "V Enter (dilanjutkan / continued)  (50 ms)"


def told(visit: Visit, lines: Sequence[str] = ("X",)) -> dict[str, object]:
    written: list[str] = []
    screen = JsonScreen(written.append)
    screen.show("A", ["not for machines"])
    screen.visited("A", visit, lines, 0.0504)
    (line,) = written
    found: dict[str, object] = json.loads(line)
    return found


def test_a_machine_is_told_what_was_taken() -> None:
    found = told(TAKEN, lines_of(TAKEN, PLACES))
    assert found == {
        "reader": "A",
        "screen": ["V Pembayaran berhasil / Paid", "  Tarif Rp3.500", "  Saldo Rp46.500"],
        "took_ms": 50.4,
        "result": "taken",
        "use": "purchase",
        "card": "...0017",
        "change_rp": -3_500,
        "value_rp": 46_500,
        "counter": 12,
        "recovered": False,
        "rule": "",
    }


def test_a_machine_is_told_why_a_card_is_not_taken() -> None:
    found = told(Turned(Refused(Refusal.DENIED, "lost"), NUMBER, 5))
    assert found["result"] == "refused"
    assert (found["reason"], found["detail"], found["card"]) == ("denied", "lost", "...0017")
    assert told(Turned(Refused(Refusal.SEVERAL)))["card"] == ""


@pytest.mark.parametrize("visit", [TAKEN, Turned(Refused(Refusal.EXPIRED), NUMBER, 5)])
def test_no_whole_number_and_no_place_of_a_card_is_written(visit: Visit) -> None:
    text = json.dumps(told(visit, lines_of(visit, PLACES)), ensure_ascii=False)
    assert NUMBER not in text
    assert "Senayan" not in text
    assert NUMBER not in json.dumps(visit_in_json(visit))
