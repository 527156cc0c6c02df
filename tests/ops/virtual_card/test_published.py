"""What a real chip has answered, byte for byte (NXP AN12343)."""

from __future__ import annotations

from functools import cache
from typing import Final

import pytest

from ops.virtual_card.card import VirtualCard
from ops.virtual_card.session import CardSession
from protocol.chip import commands
from protocol.chip.card_layout import FACTORY_KEY
from protocol.chip.commands import FREE, NEVER, rights
from protocol.chip.keys import SoftwareKey
from protocol.chip.secure import Mode, ReaderSession, SessionKeys
from tests.ops.virtual_card.cards import Planned, fresh, prove, run, sent
from tests.protocol.chip.test_trace import KEY, MAC_KEY, READER, RECORD, TRACE, UID
from tests.protocol.chip.vectors import Vector, vectors

COUNTS: Final = {"ev2_command": 25, "ev2_authenticate_first": 8, "apdu": 10}
TO_ALL: Final = rights(read_write=3, change=0, read=1, write=1)


@cache
def published() -> dict[str, Vector]:
    return {each.id: each for kind, count in COUNTS.items() for each in vectors(kind, count)}


def said(card: VirtualCard, name: str) -> None:
    """Send a published command, and find the published answer."""
    vector = published()[f"an12343-{name}"]
    assert sent(card, str(vector.inputs["c_apdu"])) == vector.expected["r_apdu"]


def executed(card: VirtualCard, name: str) -> None:
    """Send a published command of a session, and find the published answer."""
    vector = published()[f"an12343-{name}"]
    assert sent(card, str(vector.expected["c_apdu"])) == vector.expected["r_apdu"]


def keys_of(vector: Vector) -> SessionKeys:
    return SessionKeys(vector.given("ses_auth_enc_key"), vector.given("ses_auth_mac_key"))


def resume(card: VirtualCard, name: str, key_number: int) -> ReaderSession:
    """Go on in the session of a published command; return the reader's side of it."""
    vector = published()[f"an12343-{name}"]
    keys, identifier, count = keys_of(vector), vector.given("ti"), vector.count("cmd_ctr")
    card.resume(CardSession(keys, identifier, count, key_number))
    return ReaderSession(keys, identifier, count)


def authenticated(name: str, key: bytes) -> VirtualCard:
    """Return a card that was proved its key 0 as it is published."""
    vector = published()[f"an12343-{name}"]
    chance = Planned()
    card = fresh(chance)
    session = prove(card, 0)
    if key != FACTORY_KEY.raw:
        talked = session.run_last(commands.change_own_key(0, key, 0), Mode.FULL)
        command = next(talked)
        assert card.answer(command.encode()) == b"\x91\x00"
        prove(card, 0, SoftwareKey(key))
    chance.plan = [vector.due("rnd_b"), vector.due("ti")]
    for part in ("1", "2"):
        command_apdu = str(vector.inputs[f"c_apdu_{part}"])
        assert sent(card, command_apdu) == vector.inputs[f"r_apdu_{part}"]
    return card


def test_the_transaction_with_a_record_a_reader_and_a_commit() -> None:
    chance = Planned()
    card = fresh(chance)
    assert card.uid == UID
    admin = prove(card, 0)
    one_commits = rights(read_write=1, change=0, read=1, write=NEVER)
    for command, mode in (
        (commands.delete_file(0x0F), Mode.MAC),
        (commands.create_mac_file(0x0F, 0, one_commits, MAC_KEY.raw, 0), Mode.FULL),
        (commands.change_file_settings(0x01, 3, TO_ALL), Mode.FULL),
        (commands.change_key(1, bytes(16), KEY.raw, 0), Mode.FULL),
    ):
        run(card, admin, command, mode)
    # Three commits came before the one that is printed, the last of them by the same reader.
    for _ in range(3):
        session = prove(card, 1, KEY)
        run(card, session, commands.write_record(0x01, RECORD), Mode.FULL)
        run(card, session, commands.commit_reader(READER), Mode.MAC)
        run(card, session, commands.commit(), Mode.MAC)
    vector = published()["an12343-t32-auth"]
    chance.plan = [vector.due("rnd_b"), vector.due("ti")]
    for command_apdu, answer in TRACE:
        assert sent(card, command_apdu) == answer


def test_credit_and_debit_of_one_session() -> None:
    card = fresh()
    no_reader = rights(read_write=NEVER, change=0, read=1, write=NEVER)
    run(card, prove(card, 0), commands.change_file_settings(0x0F, 0, no_reader), Mode.FULL)
    reader = resume(card, "t35-getvalue-full", 3)
    keys, identifier = reader.keys, reader.identifier
    executed(card, "t35-getvalue-full")
    executed(card, "t36-credit-full")
    # The commit between them is not printed.
    run(card, ReaderSession(keys, identifier, 2), commands.commit(), Mode.MAC)
    executed(card, "t37-debit-full")
    goes_on = ReaderSession(keys, identifier, 4)
    run(card, goes_on, commands.commit(), Mode.MAC)
    left = run(card, goes_on, commands.get_value(0x03), Mode.FULL)
    assert int.from_bytes(left, "little") == 0x99 - 0x71


def test_the_value_of_a_card_that_nobody_has_proved_anything_to() -> None:
    card = fresh()
    assert sent(card, "00A4040C10A00000039656434103F015400000000B00") == "9000"
    executed(card, "t34-getvalue-plain")


def test_a_record_is_read() -> None:
    card = fresh()
    no_reader = rights(read_write=NEVER, change=0, read=1, write=NEVER)
    run(card, prove(card, 0), commands.change_file_settings(0x0F, 0, no_reader), Mode.FULL)
    session = prove(card, 3)
    run(card, session, commands.write_record(0x01, RECORD), Mode.FULL)
    run(card, session, commands.commit(), Mode.MAC)
    resume(card, "t33-readrecords-full", 1)
    executed(card, "t33-readrecords-full")


@pytest.mark.parametrize(("mode", "number"), [("mac", 1), ("full", 3)])
def test_bytes_are_written_and_read(mode: str, number: int) -> None:
    card = fresh()
    changed = commands.change_file_settings(0x00, number, TO_ALL)
    run(card, prove(card, 0), changed, Mode.FULL)
    written, read = ("t23", "t24") if mode == "mac" else ("t25", "t26")
    resume(card, f"{written}-writedata-{mode}", 1)
    executed(card, f"{written}-writedata-{mode}")
    executed(card, f"{read}-readdata-{mode}")


def test_bytes_are_written_by_anybody() -> None:
    card = fresh()
    free = rights(read_write=FREE, change=0, read=FREE, write=FREE)
    run(card, prove(card, 0), commands.change_file_settings(0x00, 0, free), Mode.FULL)
    sent(card, "00A4040C10A00000039656434103F015400000000B00")
    executed(card, "t21-writedata-plain")
    assert sent(card, "90AD0000070000000019000000") == "22" * 25 + "9100"


def test_limits_are_set() -> None:
    card = fresh()
    resume(card, "t5-setconfiguration-value", 0)
    executed(card, "t5-setconfiguration-value")
    assert card.answer(bytes.fromhex("00A4040C10A00000039656434103F015400000000B00"))
    assert sent(card, "90F50000010300") == "02033012" + "00000000E80300000000000001" + "9100"


def test_settings_are_changed() -> None:
    card = fresh()
    resume(card, "t11-changefilesettings", 0)
    executed(card, "t11-changefilesettings")


def test_the_uid_is_told_to_who_proves_a_key() -> None:
    card = authenticated("t7-auth", KEY.raw)
    executed(card, "t7-getcarduid")


def test_the_version_of_a_key() -> None:
    card = authenticated("t38-auth", FACTORY_KEY.raw)
    executed(card, "t38-getkeyversion")


def test_another_key_is_changed() -> None:
    card = authenticated("t39-auth", KEY.raw)
    executed(card, "t39-changekey-1")
    assert card.state.keys[1].key == KEY.raw


def test_the_key_of_the_session_is_changed() -> None:
    card = authenticated("t40-auth", FACTORY_KEY.raw)
    executed(card, "t40-changekey-0")
    assert card.state.keys[0].key == KEY.raw


@pytest.mark.parametrize(
    "name",
    [
        *("t8-isoselect-dfname", "t12-getfileids", "t12-getfilesettings-std"),
        "t12-getfilesettings-value",
    ],
)
def test_a_card_from_the_factory(name: str) -> None:
    card = fresh()
    # By its number the application answers its FCI, which the note leaves out.
    assert sent(card, "00A4000002DF0100") == "00" * 32 + "9000"
    said(card, name)
