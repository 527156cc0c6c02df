"""Native commands: each is the one of the published frames, and what cannot be is named."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.chip import commands
from protocol.chip.commands import FREE, NEVER
from protocol.chip.errors import Malformed
from protocol.chip.secure import Command
from tests.protocol.chip.vectors import vectors

OLD_KEY: Final = bytes.fromhex("01234567890123456789012345678901")
"""Of the change of key 1 in AN12343: table 39 prints zeros, and the frames need this one."""
NEW_KEY: Final = bytes.fromhex("F3847D627727ED3BC9C4CC050489B966")
RECORD: Final = bytes.fromhex("11223344556677889900112233445566")
READER: Final = bytes.fromhex("28BF1982BE086FBC60A22DAEB66613EE")

PUBLISHED: Final = {
    "an12343-t5-setconfiguration-value": commands.configure_value(3, 0, 1000, 0, option=1),
    "an12343-t7-getcarduid": commands.get_uid(),
    "an12343-t11-changefilesettings": commands.change_file_settings(
        4, 0, commands.rights(read_write=FREE, change=FREE, read=FREE, write=FREE)
    ),
    "an12343-t21-writedata-plain": commands.write_data(0, 0, b"\x22" * 25),
    "an12343-t22-readdata-plain": commands.read_data(0, 0, 0),
    "an12343-t24-readdata-mac": commands.read_data(0, 0, 48),
    "an12343-t32-writerecord-full": commands.write_record(1, RECORD),
    "an12343-t32-commitreaderid": commands.commit_reader(READER),
    "an12343-t32-committransaction": commands.commit(),
    "an12343-t33-readrecords-full": commands.read_records(1, 0, 0),
    "an12343-t35-getvalue-full": commands.get_value(3),
    "an12343-t36-credit-full": commands.credit(3, 0x99),
    "an12343-t37-debit-full": commands.debit(3, 0x71),
    "an12343-t38-getkeyversion": commands.get_key_version(0),
    "an12343-t39-changekey-1": commands.change_key(1, bytes(16), OLD_KEY, 0),
    "an12343-t40-changekey-0": commands.change_own_key(0, OLD_KEY, 0),
    "an12196-t7-getfilesettings-mac": commands.get_file_settings(2),
    "an12196-t25-changekey": commands.change_key(2, bytes(16), NEW_KEY, 1),
}
"""Commands of published examples, by the name of the example."""

UNPUBLISHED: Final = {
    "A7": commands.abort(),
    "C7": commands.commit_unproved(),
    "EB01": commands.clear_records(1),
    "6F": commands.get_file_ids(),
    "DF0F": commands.delete_file(0x0F),
    "CE0F01F01F02" + RECORD.hex().upper() + "07": commands.create_mac_file(
        0x0F,
        1,
        commands.rights(read_write=NEVER, change=0, read=1, write=NEVER),
        RECORD,
        7,
    ),
}
"""Commands by their byte, header and data: MF2DL(H)x0 data sheet, 11."""


def test_each_command_is_the_published_one() -> None:
    due = {vector.id: vector for vector in vectors("ev2_command", 25)}
    assert set(PUBLISHED) <= set(due)
    for name, command in PUBLISHED.items():
        vector = due[name]
        assert bytes((command.ins,)) == vector.given("ins"), name
        assert command.header + command.data == vector.given("cmd_header") + vector.given(
            "cmd_data"
        ), name


@pytest.mark.parametrize(("written", "command"), UNPUBLISHED.items())
def test_each_other_command_is_that_of_the_data_sheet(written: str, command: Command) -> None:
    whole = bytes((command.ins,)) + command.header + command.data
    assert whole.hex().upper() == written


def test_what_is_enciphered_begins_after_the_published_header() -> None:
    """In full mode the header stays readable: with a wrong border the card takes nothing.

    The identity of a reader is never enciphered, and the note counts it as data all the same.
    """
    for vector in vectors("ev2_command", 25):
        command = PUBLISHED.get(vector.id)
        if command is not None and vector.inputs["comm_mode"] == "full":
            assert command.header == vector.given("cmd_header"), vector.id


def test_the_checksum_of_a_key_is_the_published_one() -> None:
    for vector in vectors("crc32_jamcrc", 2):
        assert commands.checksum(vector.given("data")) == vector.due("crc"), vector.id


@given(st.binary(min_size=16, max_size=16), st.binary(min_size=16, max_size=16))
def test_a_key_is_changed_by_what_tells_nothing_without_the_old_one(old: bytes, key: bytes) -> None:
    data = commands.change_key(1, old, key, 5).data
    assert bytes(a ^ b for a, b in zip(data, old, strict=False)) == key
    assert data[16:17] == b"\x05"
    assert data[17:] == commands.checksum(key)


@given(*(st.integers(0, NEVER) for _ in range(4)))
def test_each_right_has_its_own_half_of_a_byte(
    read_write: int, change: int, read: int, write: int
) -> None:
    access = commands.rights(read_write=read_write, change=change, read=read, write=write)
    assert access.hex() == f"{read_write:x}{change:x}{read:x}{write:x}"


def test_the_rights_are_those_of_the_note() -> None:
    """NXP AN12343, table 34."""
    assert commands.rights(read_write=3, change=0, read=1, write=2) == bytes.fromhex("3012")


@pytest.mark.parametrize("right", [-1, 16])
def test_no_right_runs_over_into_another(right: int) -> None:
    with pytest.raises(AssertionError):
        commands.rights(read_write=0, change=right, read=0, write=0)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: commands.get_value(256), "the number of the file is 256"),
        (lambda: commands.debit(3, -1), "an amount of -1: the command says which way"),
        (lambda: commands.credit(3, -1), "an amount of -1"),
        (lambda: commands.debit(3, 2**31), "the amount is 2147483648"),
        (lambda: commands.read_records(1, 2**24, 1), "a position is 16777216"),
        (lambda: commands.read_data(0, -1, 1), "a position is -1"),
        (lambda: commands.commit_reader(bytes(15)), "the reader's identity has 15 bytes"),
        (lambda: commands.get_key_version(256), "the number of the key is 256"),
        (lambda: commands.change_own_key(0, bytes(15), 0), "the key has 15 bytes"),
        (lambda: commands.change_own_key(0, bytes(16), 256), "the version is 256"),
        (lambda: commands.change_key(1, b"", bytes(16), 0), "the old key has 0 bytes"),
        (lambda: commands.change_key(1, bytes(16), b"", 0), "the key has 0 bytes"),
        (lambda: commands.create_mac_file(15, 1, b"", b"", 0), "the key has 0 bytes"),
        (lambda: commands.configure_value(3, -(2**31) - 1, 0, 0), "the lower limit is"),
        (lambda: commands.configure_value(3, 0, 2**31, 0), "the upper limit is"),
        (lambda: commands.configure_value(3, 0, 0, 2**31), "the value is"),
    ],
)
def test_what_cannot_be_is_named(make: Callable[[], Command], said: str) -> None:
    with pytest.raises(Malformed, match=said):
        make()
