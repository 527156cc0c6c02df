"""A card in a slot: what the driver says to it, and how it comes and leaves."""

from __future__ import annotations

import socket
from contextlib import closing
from threading import Thread

import pytest

from ops.virtual_card import vpcd
from ops.virtual_card.card import Tear, VirtualCard
from ops.virtual_card.vpcd import NoReader, VpcdSlot
from tests.ops.virtual_card.cards import UID, fresh
from tests.ops.virtual_card.driver import WAIT_S, driver, running

SELECT = "00A4040C10A00000039656434103F015400000000B00"
UID_APDU = "FFCA000000"


def free_port() -> int:
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        port: int = server.getsockname()[1]
        return port


def test_the_driver_asks_and_the_card_answers() -> None:
    with driver() as reader:
        slot = VpcdSlot(fresh(), port=reader.port)
        with running(slot):
            reader.accept()
            reader.say(b"\x00")
            reader.say(b"\x01")
            assert reader.ask("04") == "3B8180018080"
            assert slot.wait_seen(WAIT_S)
            assert reader.ask(UID_APDU) == UID.hex().upper() + "9000"
            assert reader.ask(SELECT) == "9000"
            assert reader.ask("906F000000") == "0F1F030001049100"
            reader.say(b"\x02")
            assert reader.ask("906F000000") == "919D"


def test_power_off_forgets_as_well() -> None:
    with driver() as reader, running(VpcdSlot(fresh(), port=reader.port)):
        reader.accept()
        assert reader.ask(SELECT) == "9000"
        reader.say(b"\x00")
        assert reader.ask("906F000000") == "919D"


def test_a_command_may_come_in_pieces() -> None:
    with driver() as reader, running(VpcdSlot(fresh(), port=reader.port)):
        reader.accept()
        for byte in b"\x00\x05" + bytes.fromhex(UID_APDU):
            reader.raw(bytes((byte,)))
        answer = reader.hear()
        assert answer == UID + b"\x90\x00"


def test_nonsense_is_answered_as_such() -> None:
    with driver() as reader, running(VpcdSlot(fresh(), port=reader.port)):
        reader.accept()
        assert reader.ask("07") == "6700"
        assert reader.ask("0102") == "6700"


def test_a_card_leaves_by_closing_and_comes_again() -> None:
    card = fresh()
    with driver() as reader:
        for _ in range(2):
            with running(VpcdSlot(card, port=reader.port)):
                reader.accept()
                assert reader.ask("906F000000") == "919D"
                assert reader.ask(SELECT) == "9000"
            assert reader.hear() is None
            reader.leave()


def test_a_torn_card_leaves_without_an_answer() -> None:
    card = fresh()
    card.tear = Tear(1, done=False)
    with driver() as reader, running(VpcdSlot(card, port=reader.port)) as thread:
        reader.accept()
        assert reader.ask(SELECT) == "9000"
        assert reader.ask("906F000000") is None
        thread.join(WAIT_S)
        assert not thread.is_alive()


@pytest.mark.parametrize("done", [False, True])
def test_what_a_card_keeps_is_saved_before_its_answer_leaves(*, done: bool) -> None:
    """A wrong key is counted on the card: here that is what changes."""
    card, saved = fresh(), list[bytes]()
    card.tear = Tear(3, done)
    slot_saves = saved.append
    with driver() as reader:
        slot = VpcdSlot(card, port=reader.port, changed=lambda each: slot_saves(each.image()))
        with running(slot):
            reader.accept()
            reader.ask(SELECT)
            reader.ask("9071000002000000")
            assert not saved
            assert reader.ask("90AF000020" + "00" * 32 + "00") == "91AE"
            assert len(saved) == 1
            # The next is torn; what it did counts all the same.
            assert reader.ask("9071000002000000") is None
    assert len(saved) == 1
    assert VirtualCard.from_image(saved[0], chance=bytes).state.failures == 1


def test_a_card_that_is_torn_after_it_did_a_command_is_saved() -> None:
    card, saved = fresh(), list[int]()
    card.tear = Tear(2, done=True)
    with driver() as reader:
        slot = VpcdSlot(
            card, port=reader.port, changed=lambda each: saved.append(each.state.failures)
        )
        with running(slot):
            reader.accept()
            reader.ask(SELECT)
            reader.ask("9071000002000000")
            assert reader.ask("90AF000020" + "00" * 32 + "00") is None
    assert saved == [1]


def test_the_driver_may_end() -> None:
    with driver() as reader, running(VpcdSlot(fresh(), port=reader.port)) as thread:
        reader.accept()
        reader.raw(b"\x00")
        reader.leave()
        thread.join(WAIT_S)
        assert not thread.is_alive()


def test_the_driver_may_break() -> None:
    with driver() as reader, running(VpcdSlot(fresh(), port=reader.port)) as thread:
        reader.accept()
        assert reader.ask("04") == "3B8180018080"
        reader.break_off()
        thread.join(WAIT_S)
        assert not thread.is_alive()


def test_half_a_message_is_not_waited_for_without_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vpcd, "_POLL_S", 0.01)
    monkeypatch.setattr(vpcd, "MESSAGE_S_MAX", 0.02)
    with driver() as reader, running(VpcdSlot(fresh(), port=reader.port)) as thread:
        reader.accept()
        reader.raw(b"\x00\x05\xff")
        assert reader.hear() is None
        thread.join(WAIT_S)
        assert not thread.is_alive()


def test_silence_between_messages_is_no_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vpcd, "_POLL_S", 0.001)
    monkeypatch.setattr(vpcd, "MESSAGE_S_MAX", 0.0)
    with driver() as reader, running(VpcdSlot(fresh(), port=reader.port)) as thread:
        reader.accept()
        thread.join(0.05)
        assert reader.ask("04") == "3B8180018080"


def test_the_driver_may_come_after_the_card() -> None:
    port = free_port()
    slot = VpcdSlot(fresh(), port=port)
    with running(slot) as thread:
        thread.join(0.05)
        with closing(socket.create_server(("127.0.0.1", port))) as server:
            server.settimeout(WAIT_S)
            connection, _ = server.accept()
            with closing(connection):
                connection.settimeout(WAIT_S)
                connection.sendall(b"\x00\x01\x04")
                assert connection.recv(8).startswith(b"\x00\x06")


def test_without_a_driver_it_gives_up() -> None:
    slot = VpcdSlot(fresh(), port=free_port(), connect_s_max=0.05)
    with pytest.raises(NoReader, match="no driver"):
        slot.run()
    assert not slot.wait_seen(0)


def test_it_stops_while_it_looks_for_the_driver() -> None:
    slot = VpcdSlot(fresh(), port=free_port())
    thread = Thread(target=slot.run)
    thread.start()
    slot.stop()
    thread.join(WAIT_S)
    assert not thread.is_alive()


def test_stopped_before_it_runs_it_does_not_come() -> None:
    with driver() as reader:
        slot = VpcdSlot(fresh(), port=reader.port)
        slot.stop()
        slot.run()
        assert not slot.wait_seen(0)


def test_stopped_as_it_comes_it_leaves_again(monkeypatch: pytest.MonkeyPatch) -> None:
    connect = socket.create_connection
    with driver() as reader:
        slot = VpcdSlot(fresh(), port=reader.port)

        def stop_and_connect(address: tuple[str, int], timeout: float) -> socket.socket:
            slot.stop()
            return connect(address, timeout)

        monkeypatch.setattr(socket, "create_connection", stop_and_connect)
        slot.run()
        reader.accept()
        assert reader.hear() is None
