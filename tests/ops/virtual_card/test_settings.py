"""Keys, files and settings of a card, and who may change them."""

from __future__ import annotations

import pytest

from ops.virtual_card.card import VirtualCard
from protocol.chip import commands
from protocol.chip.commands import FREE, NEVER, rights
from protocol.chip.keys import SoftwareKey
from protocol.chip.secure import Command, Mode
from tests.ops.virtual_card.cards import fresh, prove, refused, run, sent

NEW_KEY = bytes.fromhex("77" * 16)
PROOF = rights(read_write=FREE, change=0, read=FREE, write=NEVER)


def done(card: VirtualCard, command: Command, mode: Mode = Mode.FULL, key: int = 0) -> bytes:
    return run(card, prove(card, key), command, mode)


def made(file: int = 0x0F, mode: int = 0, access: bytes = PROOF, kind: int = 2) -> Command:
    header = bytes((file, mode)) + access + bytes((kind,))
    return Command(commands.Ins.CREATE_MAC_FILE, header, NEW_KEY + b"\x05")


def without_mac() -> VirtualCard:
    card = fresh()
    done(card, commands.delete_file(0x0F), Mode.MAC)
    return card


def test_who_has_a_key_reads_what_is_not_secret() -> None:
    card = fresh()
    assert done(card, commands.get_file_ids(), Mode.MAC, key=4) == bytes.fromhex("0F1F03000104")
    assert done(card, commands.get_key_version(2), Mode.MAC, key=4) == b"\0"
    told = {
        0x00: "0003301F000100",
        0x01: "04033012100000070000000000",
        0x03: "0203301200000000FFFFFF7F0000000003",
        0x0F: "0500101F0200",
        0x1F: "000030E0200000",
    }
    for file, settings in told.items():
        found = done(card, commands.get_file_settings(file), Mode.MAC, key=4)
        assert found.hex().upper() == settings


def test_a_key_is_changed_by_who_has_the_first() -> None:
    card = fresh()
    done(card, commands.change_key(2, bytes(16), NEW_KEY, 5))
    assert done(card, commands.get_key_version(2), Mode.MAC) == b"\5"
    prove(card, 2, SoftwareKey(NEW_KEY))
    with refused(0x91AE):
        prove(card, 2)


@pytest.mark.parametrize(
    ("command", "key", "status"),
    [
        (commands.change_key(2, bytes(16), NEW_KEY, 5), 1, 0x91AE),
        (commands.change_key(5, bytes(16), NEW_KEY, 5), 0, 0x9140),
        (commands.change_key(2, NEW_KEY, NEW_KEY, 5), 0, 0x911E),
        (commands.change_own_key(2, NEW_KEY, 5), 0, 0x917E),
        (commands.change_key(0, bytes(16), NEW_KEY, 5), 0, 0x917E),
        (commands.change_file_settings(0x00, 1, PROOF), 1, 0x91AE),
        (commands.change_file_settings(0x00, 4, PROOF), 0, 0x919E),
        (commands.change_file_settings(0x0F, 0, bytes(2)), 0, 0x919E),
        (commands.change_file_settings(0x00, 1, b""), 0, 0x917E),
        (commands.change_file_settings(0x09, 1, PROOF), 0, 0x91F0),
        (commands.configure_value(3, 0, 5, 1), 1, 0x91AE),
        (commands.configure_value(3, 6, 5, 5), 0, 0x919E),
        (commands.configure_value(3, 0, 5, 6), 0, 0x919E),
        (commands.configure_value(1, 0, 5, 1), 0, 0x919E),
        (commands.configure_value(9, 0, 5, 1), 0, 0x91F0),
        (Command(commands.Ins.SET_CONFIGURATION, b"\x09", bytes(13)), 0, 0x917E),
        (Command(commands.Ins.SET_CONFIGURATION, b"\x02", bytes(6)), 0, 0x919E),
        (made(), 0, 0x91DE),
        (made(), 1, 0x91AE),
    ],
)
def test_changes_that_are_refused(command: Command, key: int, status: int) -> None:
    card = fresh()
    with refused(status):
        done(card, command, key=key)
    assert card.state == fresh().state


@pytest.mark.parametrize(
    ("file", "key", "status"), [(0x0F, 1, 0x91AE), (0x00, 0, 0x919D), (0x09, 0, 0x91F0)]
)
def test_files_that_are_not_deleted(file: int, key: int, status: int) -> None:
    card = fresh()
    with refused(status):
        done(card, commands.delete_file(file), Mode.MAC, key)
    assert card.state == fresh().state


def test_a_file_of_the_mac_is_made_anew() -> None:
    card = without_mac()
    with refused(0x91F0):
        done(card, commands.delete_file(0x0F), Mode.MAC)
    done(card, made())
    assert done(card, commands.get_file_settings(0x0F), Mode.MAC).hex() == "0500e0ef0205"
    assert done(card, commands.read_data(0x0F, 0, 0), Mode.PLAIN) == bytes(12)
    assert done(card, commands.get_file_ids(), Mode.MAC) == bytes.fromhex("0F1F03000104")


@pytest.mark.parametrize(
    ("command", "status"),
    [
        (made(file=0x04), 0x91DE),
        (made(mode=4), 0x919E),
        (made(access=bytes(2)), 0x919E),
        (made(kind=1), 0x919E),
        (Command(commands.Ins.CREATE_MAC_FILE, made().header, NEW_KEY), 0x917E),
    ],
)
def test_files_of_the_mac_that_are_not_made(command: Command, status: int) -> None:
    card = without_mac()
    with refused(status):
        done(card, command)


def test_where_everybody_may_change_settings_nobody_proves_a_key() -> None:
    card = fresh()
    free = rights(read_write=FREE, change=FREE, read=FREE, write=FREE)
    done(card, commands.change_file_settings(0x00, 0, free))
    sent(card, "00A4040C10A00000039656434103F015400000000B00")
    assert sent(card, "905F000004" + "0001EEEE" + "00") == "9100"
    assert sent(card, "90F50000010000") == "0001EEEE0001009100"


def test_keys_are_in_no_text() -> None:
    card = fresh()
    done(card, commands.change_key(2, bytes(16), NEW_KEY, 5))
    done(card, commands.delete_file(0x0F), Mode.MAC)
    done(card, made())
    for text in (repr(card.state), repr(card.state.keys), repr(card), repr(card.state.mac_file)):
        assert repr(NEW_KEY)[2:-1] not in text
        assert NEW_KEY.hex() not in text
