"""An exchange over a link: answers in their order, times, a trace, and an end in any case."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from protocol.chip.apdu import CommandApdu, Exchange, ResponseApdu, ensure_done
from protocol.chip.errors import CardRefused, Malformed
from terminals.errors import CardGone, ReaderFailed, TerminalError
from terminals.pcsc.card_link import Step, run_exchange

COMMAND = CommandApdu(0x80, 1, 0, 0)
OK = ResponseApdu(b"", 0x9000)


class Card:
    """Answers what it was given, or raises it."""

    def __init__(self, *answers: bytes | TerminalError) -> None:
        self.answers = iter(answers)
        self.asked: list[bytes] = []

    def transmit(self, command: bytes) -> bytes:
        self.asked.append(command)
        answer = next(self.answers)
        if isinstance(answer, TerminalError):
            raise answer
        return answer


def ticking() -> Callable[[], float]:
    """Return a clock that is one second later each time it is read."""
    ticks: Iterator[float] = iter(range(1_000))
    return lambda: next(ticks)


class Twice:
    """An exchange of two commands that says whether it was closed."""

    closed = False

    def run(self) -> Exchange[bytes]:
        try:
            first = yield COMMAND
            ensure_done(first.status)
            second = yield CommandApdu(0x80, 2, 0, 0)
            return first.data + second.data
        finally:
            self.closed = True


def test_an_exchange_runs_to_its_end_and_each_command_is_timed_and_told() -> None:
    card, steps = Card(b"one\x90\x00", b"two\x90\x00"), list[Step]()
    ran = run_exchange(card, Twice().run(), ticking(), steps.append)
    assert ran.result == b"onetwo"
    assert ran.durations_s == (1, 1)
    assert ran.commands == 2
    assert card.asked == [step.command.encode() for step in steps]
    assert [(step.answer, step.duration_s) for step in steps] == [
        (ResponseApdu(b"one", 0x9000), 1),
        (ResponseApdu(b"two", 0x9000), 1),
    ]


def test_an_exchange_without_a_command_asks_the_card_nothing() -> None:
    def nothing() -> Exchange[int]:
        yield from ()
        return 7

    ran = run_exchange(Card(), nothing(), ticking())
    assert (ran.result, ran.commands) == (7, 0)


@pytest.mark.parametrize("error", [CardGone("gone"), ReaderFailed("failed")])
def test_an_error_of_the_link_closes_the_exchange_and_is_told_as_a_step_without_answer(
    error: TerminalError,
) -> None:
    twice, steps = Twice(), list[Step]()
    with pytest.raises(type(error)) as caught:
        run_exchange(Card(b"\x90\x00", error), twice.run(), ticking(), steps.append)
    assert caught.value is error
    assert twice.closed
    assert [step.answer for step in steps] == [OK, None]


@pytest.mark.parametrize("answer", [b"", b"\x90"])
def test_an_answer_without_a_status_is_a_card_that_is_gone(answer: bytes) -> None:
    twice = Twice()
    with pytest.raises(CardGone, match="no status word"):
        run_exchange(Card(answer), twice.run(), ticking())
    assert twice.closed


def test_an_answer_longer_than_any_is_malformed() -> None:
    with pytest.raises(Malformed):
        run_exchange(Card(bytes(300)), Twice().run(), ticking())


def test_what_the_exchange_itself_raises_comes_out_of_it() -> None:
    with pytest.raises(CardRefused):
        run_exchange(Card(b"\x6a\x82"), Twice().run(), ticking())


def test_a_trace_that_fails_does_not_leave_the_exchange_open() -> None:
    def fail(_step: Step) -> None:
        raise ZeroDivisionError

    twice = Twice()
    with pytest.raises(ZeroDivisionError):
        run_exchange(Card(b"\x90\x00"), twice.run(), ticking(), fail)
    assert twice.closed
