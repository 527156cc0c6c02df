"""The MAC that a chip puts on a whole transaction, and how a host checks it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.chip.aes import ZERO_IV, cmac, encrypt
from protocol.chip.errors import Malformed
from protocol.chip.keys import SoftwareKey
from protocol.chip.transaction_mac import (
    Committed,
    DataCommand,
    TransactionKeys,
    ValueCommand,
    data_piece,
    is_genuine,
    previous_reader,
    reader_piece,
    records_piece,
    transaction_keys,
    transaction_mac,
    value_piece,
)
from tests.protocol.chip.vectors import Vector, hexed, vectors

KEY = SoftwareKey(bytes.fromhex("F7D23E0C44AFADE542BFDF2DC5C6AE02"))
UID = bytes.fromhex("04DE5F1EACC040")
READER = bytes.fromhex("28BF1982BE086FBC60A22DAEB66613EE")
ENCRYPTED = bytes.fromhex("A1963F1BB9FC916A8B15B2DC58002531")
RECORD = bytes.fromhex("11223344556677889900112233445566")
"""Of a real chip: NXP AN12343, table 32 and pages 83 to 84."""

BLOCKS = st.binary(min_size=16, max_size=16)
KEYS = st.builds(SoftwareKey, BLOCKS)
VALUE_PIECES = st.builds(
    value_piece, st.sampled_from(ValueCommand), st.integers(0, 31), st.integers(0, 2**31 - 1)
)
DATA_PIECES = st.builds(
    data_piece,
    *(st.sampled_from(DataCommand), st.integers(0, 31), st.integers(0, 255)),
    st.binary(min_size=1, max_size=48),
)
PIECES = st.lists(VALUE_PIECES | DATA_PIECES | st.builds(reader_piece, BLOCKS, BLOCKS), max_size=5)


def counter_of(vector: Vector) -> int:
    return int.from_bytes(vector.given("tmc"), "little")


def keys_of(vector: Vector) -> TransactionKeys:
    if "ses_tm_enc_key" in vector.inputs:
        return TransactionKeys(bytes(16), vector.given("ses_tm_enc_key"))
    if "ses_tm_mac_key" in vector.inputs:
        return TransactionKeys(vector.given("ses_tm_mac_key"), bytes(16))
    return transaction_keys(
        SoftwareKey(vector.given("app_transaction_mac_key")),
        vector.given("uid"),
        counter_of(vector),
    )


def piece_of(command: dict[str, str]) -> bytes:
    read = {name: hexed(value) for name, value in command.items()}
    if "tmri_cur" in read:
        return reader_piece(read["tmri_cur"], read["enc_tmri"])
    assert int.from_bytes(read["length"], "little") == len(read["data"])
    offset = int.from_bytes(read["offset"], "little")
    return data_piece(DataCommand(read["ins"][0]), read["file_no"][0], offset, read["data"])


def test_the_transaction_of_a_real_chip_is_genuine() -> None:
    committed = Committed.decode(bytes.fromhex("0400000094A3205E41588BA9"))
    pieces = [data_piece(DataCommand.WRITE_RECORD, 1, 0, RECORD), reader_piece(READER, ENCRYPTED)]
    assert committed.counter == 4
    assert is_genuine(KEY, UID, committed, pieces)
    assert previous_reader(transaction_keys(KEY, UID, 4), ENCRYPTED) == READER


def test_every_published_transaction_is_genuine() -> None:
    for vector in vectors("tmac_transaction", 1):
        commands = vector.inputs["commands"]
        assert isinstance(commands, list)
        pieces = [piece_of(command) for command in commands if isinstance(command, dict)]
        assert b"".join(pieces) == vector.due("tmi")
        keys = keys_of(vector)
        assert keys.mac == vector.due("ses_tm_mac_key")
        assert keys.encryption == vector.due("ses_tm_enc_key")
        assert cmac(keys.mac, b"".join(pieces)) == vector.due("cmac")
        committed = Committed.decode(vector.given("tmc") + vector.due("tmv"))
        key = SoftwareKey(vector.given("app_transaction_mac_key"))
        assert is_genuine(key, vector.given("uid"), committed, pieces)


def test_every_published_pair_of_keys_is_derived() -> None:
    for vector in vectors("tmac_session_keys", 5):
        keys = keys_of(vector)
        assert keys.mac == vector.due("ses_tm_mac_key"), vector.id
        assert keys.encryption == vector.due("ses_tm_enc_key"), vector.id


def test_every_published_previous_reader_is_found() -> None:
    for vector in vectors("tmac_reader_id", 2):
        found = previous_reader(keys_of(vector), vector.given("enc_tmri"))
        assert found == vector.due("tmri_prev"), vector.id


def test_every_transaction_mac_of_the_vectors_is_found() -> None:
    """Two of the three come from the data sheet alone: no chip has vouched for them."""
    for vector in vectors("tmac_tmv", 3):
        tmi = vector.given("tmi") if "tmi" in vector.inputs else vector.due("tmi")
        assert transaction_mac(keys_of(vector), [tmi]) == vector.due("tmv"), vector.id


def test_the_pieces_are_those_of_the_vectors() -> None:
    debit, whole = (vector.due("tmi") for vector in vectors("tmac_tmv", 3)[1:])
    assert value_piece(ValueCommand.DEBIT, 3, 0x71) == debit
    assert whole == b"".join(
        (
            value_piece(ValueCommand.GET, 3, 0x99),
            value_piece(ValueCommand.DEBIT, 3, 0x71),
            data_piece(DataCommand.WRITE_RECORD, 1, 0, RECORD),
            reader_piece(READER, ENCRYPTED),
        )
    )


@pytest.mark.parametrize(
    ("piece", "written"),
    [
        (value_piece(ValueCommand.CREDIT, 3, 256), "0C0300010000" + "00" * 10),
        (value_piece(ValueCommand.LIMITED_CREDIT, 3, 1), "1C0301000000" + "00" * 10),
        (value_piece(ValueCommand.GET, 3, -1), "6C03FFFFFFFF" + "00" * 10),
        (
            data_piece(DataCommand.READ, 4, 2, b"\xaa"),
            "AD04020000010000" + "00" * 8 + "AA" + "00" * 15,
        ),
        (
            data_piece(DataCommand.WRITE, 4, 0, bytes(17)),
            "8D04000000110000" + "00" * 8 + "00" * 32,
        ),
        (
            records_piece(1, 0, 2, b"\xbb" * 32),
            "AB01000000020000" + "00" * 8 + "BB" * 32,
        ),
        (reader_piece(b"\xcc" * 16), "C8" + "CC" * 16 + "00" * 15),
        (reader_piece(b"\xcc" * 16, b"\xdd" * 16), "C8" + "CC" * 16 + "DD" * 16 + "00" * 15),
    ],
)
def test_each_command_adds_its_piece(piece: bytes, written: str) -> None:
    """MF2DL(H)x0 data sheet, 10.3.4."""
    assert piece.hex().upper() == written


@given(KEYS, PIECES, st.integers(1, 2**32 - 1), st.integers(0))
def test_no_flipped_bit_of_what_was_done_is_taken_for_genuine(
    key: SoftwareKey, pieces: list[bytes], counter: int, bit: int
) -> None:
    mac = transaction_mac(transaction_keys(key, UID, counter), pieces)
    assert is_genuine(key, UID, Committed(counter, mac), pieces)
    told = key.raw + UID + counter.to_bytes(4, "little") + mac + b"".join(pieces)
    wrong = int.from_bytes(told, "big") ^ 1 << bit % (8 * len(told))
    raw = wrong.to_bytes(len(told), "big")
    assert not is_genuine(
        SoftwareKey(raw[:16]), raw[16:23], Committed.decode(raw[23:35]), [raw[35:]]
    )


@given(KEYS, st.lists(VALUE_PIECES, min_size=2, max_size=5, unique=True), st.data())
def test_commands_left_out_or_out_of_order_are_found(
    key: SoftwareKey, pieces: list[bytes], data: st.DataObject
) -> None:
    committed = Committed(1, transaction_mac(transaction_keys(key, UID, 1), pieces))
    other = data.draw(st.permutations(pieces))
    assert is_genuine(key, UID, committed, other) is (other == pieces)
    assert not is_genuine(key, UID, committed, pieces[1:])
    assert not is_genuine(key, UID, committed, [*pieces, pieces[0]])


@given(KEYS, BLOCKS, st.integers(1, 2**32 - 1))
def test_the_reader_before_is_known_from_what_the_card_enciphered(
    key: SoftwareKey, reader: bytes, counter: int
) -> None:
    keys = transaction_keys(key, UID, counter)
    assert previous_reader(keys, encrypt(keys.encryption, ZERO_IV, reader)) == reader


def test_a_mac_cut_short_is_not_genuine() -> None:
    mac = transaction_mac(transaction_keys(KEY, UID, 1), [])
    assert not is_genuine(KEY, UID, Committed(1, mac[:4]), [])
    assert not is_genuine(KEY, UID, Committed(1, b""), [])


def test_no_text_shows_a_key() -> None:
    assert repr(transaction_keys(KEY, UID, 1)) == "TransactionKeys()"


def test_what_cannot_be_is_named() -> None:
    with pytest.raises(Malformed, match="the answer to a commit has 11 bytes, not 12"):
        Committed.decode(bytes(11))
    with pytest.raises(Malformed, match="the UID has 4 bytes"):
        transaction_keys(KEY, bytes(4), 1)
    with pytest.raises(Malformed, match="the counter of commits is 4294967296"):
        transaction_keys(KEY, UID, 2**32)
    with pytest.raises(Malformed, match="an amount of -1"):
        value_piece(ValueCommand.DEBIT, 3, -1)
    with pytest.raises(Malformed, match="the value is 2147483648"):
        value_piece(ValueCommand.CREDIT, 3, 2**31)
    with pytest.raises(Malformed, match="the number of the file is 256"):
        value_piece(ValueCommand.GET, 256, 0)
    with pytest.raises(Malformed, match="the offset is -1"):
        data_piece(DataCommand.WRITE, 4, -1, b"")
    with pytest.raises(Malformed, match="the record is 16777216"):
        records_piece(1, 2**24, 1, b"")
    with pytest.raises(Malformed, match="the reader's identity has 0 bytes"):
        reader_piece(b"")
    with pytest.raises(Malformed, match="the enciphered identity has 8 bytes"):
        reader_piece(READER, bytes(8))
    with pytest.raises(Malformed, match="the enciphered identity has 8 bytes"):
        previous_reader(transaction_keys(KEY, UID, 1), bytes(8))
