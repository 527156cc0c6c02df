"""The trace of what passes between a terminal and a card: never data."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ops.terminal.trace import Trace
from protocol.chip.apdu import CommandApdu, ResponseApdu
from terminals.acceptance.visit import Taken
from terminals.pcsc.card_link import Step, run_exchange
from tests.terminals.acceptance.lab import Talking, World, made_card
from tests.terminals.acceptance.test_visit import fields, pay


def lines_of(*steps: Step) -> list[str]:
    lines: list[str] = []
    trace = Trace(lines.append)
    for step in steps:
        trace(step)
    return lines


@given(st.binary(min_size=4, max_size=40), st.binary(min_size=4, max_size=40))
def test_no_byte_of_a_command_or_an_answer_is_shown(sent: bytes, answered: bytes) -> None:
    answer = ResponseApdu(answered, 0x9100)
    (line,) = lines_of(Step(CommandApdu(0x90, 0xDC, 0, 0, sent, 256), answer, 0.012))
    sizes = f"{len(sent):3} out  {len(answered):3} back"
    assert line == f"trace: Debit                  {sizes}  9100    12.00 ms"


def test_a_command_without_an_answer_and_one_nobody_knows_are_shown() -> None:
    (line,) = lines_of(Step(CommandApdu(0x90, 0xF1, 0, 0, b"", 256), None, 0.5))
    assert "F1" in line
    assert "no answer" in line


def test_the_trace_of_a_whole_visit_tells_neither_the_card_nor_its_money() -> None:
    card, world, steps = made_card(), World(), list[Step]()
    talk = Talking(card)

    class Traced:
        def __call__(self, exchange):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN204
            return run_exchange(talk, exchange, lambda: 0.0, steps.append).result

    taken = world.visits.take(Traced(), pay, fields)
    assert isinstance(taken, Taken)
    shown = "\n".join(lines_of(*steps))
    assert len(steps) == 10
    assert "CommitTransaction" in shown
    assert card.uid.hex() not in shown.lower()
    assert taken.number not in shown
    assert not {"50000", "46500"} & set(shown.split())
    for step in steps:
        assert step.command.data.hex() not in shown.lower() or not step.command.data
