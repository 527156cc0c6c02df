"""A card at a reader on a desk: it is waited for, worked with, and what goes wrong is told."""

from __future__ import annotations

import threading

import click
import pytest

from ops.terminal.desk import at_reader
from protocol.chip import purse
from terminals.acceptance.visit import Talk
from terminals.errors import CardGone, ReaderFailed
from tests.terminals.acceptance.lab import made_card
from tests.terminals.acceptance.test_terminal import answering
from tests.terminals.pcsc.fake_service import FakeService

WAIT_S = 5.0


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> FakeService:
    service = FakeService("Desk 00", "Gate 01")
    monkeypatch.setattr("ops.terminal.desk.establish", service.establish)
    return service


def uid_of(talk: Talk) -> bytes:
    return talk(purse.read_uid())


def test_a_card_that_lies_there_is_worked_with(service: FakeService) -> None:
    card = made_card()
    service.insert("Desk 00", answering(card))
    assert at_reader("", WAIT_S, uid_of) == card.uid
    assert not service.open_contexts


def test_a_card_that_comes_later_is_waited_for(service: FakeService) -> None:
    card = made_card()
    later = threading.Timer(0.05, service.insert, ["Desk 00", answering(card)])
    later.start()
    assert at_reader("Desk", WAIT_S, uid_of) == card.uid
    later.join()


def test_a_card_at_a_reader_that_was_not_chosen_is_left_alone(service: FakeService) -> None:
    service.insert("Gate 01", answering(made_card()))
    with pytest.raises(click.ClickException, match=r"no card was presented within 0\.1 s"):
        at_reader("Desk", 0.1, uid_of)
    assert not service.open_contexts


def test_two_cards_at_once_are_told(service: FakeService) -> None:
    service.insert("Desk 00", mute=True)
    with pytest.raises(click.ClickException, match="more than one card"):
        at_reader("", WAIT_S, uid_of)


def test_a_card_that_left_is_told(service: FakeService) -> None:
    def gone(_command: bytes) -> bytes:
        raise CardGone("Desk 00: the card left")

    service.insert("Desk 00", gone)
    with pytest.raises(click.ClickException, match="the card left"):
        at_reader("", WAIT_S, uid_of)


def test_a_service_that_does_not_run_is_told_at_once(service: FakeService) -> None:
    service.stop()
    with pytest.raises(click.ClickException, match="no service"):
        at_reader("", WAIT_S, uid_of)


def test_what_goes_wrong_in_the_work_is_the_works(service: FakeService) -> None:
    service.insert("Desk 00", answering(made_card()))

    def fail(_talk: Talk) -> None:
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        at_reader("", WAIT_S, fail)
    assert not service.open_contexts


def test_a_reader_that_fails_is_told(service: FakeService) -> None:
    def failing(_command: bytes) -> bytes:
        raise ReaderFailed("Desk 00 has no power")

    service.insert("Desk 00", failing)
    with pytest.raises(click.ClickException, match="no power"):
        at_reader("", WAIT_S, uid_of)
