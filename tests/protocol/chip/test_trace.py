"""A transaction of a real chip, from the first frame to the check of the host.

NXP AN12343, table 32: the frames as they are printed. The key of the transaction MAC stands on
pages 83 to 84 of the same note, the UID in table 7. What the reader drew is not printed: it is
deciphered from its frame with the key of the session.
"""

from __future__ import annotations

from typing import Final

from protocol.chip.apdu import CommandApdu, Exchange, ResponseApdu
from protocol.chip.authentication import authenticate_first
from protocol.chip.keys import SoftwareKey
from protocol.chip.secure import Command, Mode
from protocol.chip.transaction_mac import (
    Committed,
    DataCommand,
    data_piece,
    is_genuine,
    previous_reader,
    reader_piece,
    transaction_keys,
)

KEY: Final = SoftwareKey(bytes.fromhex("01234567890123456789012345678901"))
DRAWN: Final = bytes.fromhex("A567D39787A1C05400F46613985411A5")
MAC_KEY: Final = SoftwareKey(bytes.fromhex("F7D23E0C44AFADE542BFDF2DC5C6AE02"))
UID: Final = bytes.fromhex("04DE5F1EACC040")
RECORD: Final = bytes.fromhex("11223344556677889900112233445566")
READER: Final = bytes.fromhex("28BF1982BE086FBC60A22DAEB66613EE")

TRACE: Final = [
    ("9071000002010000", "D9BE1EF2A708B27A51098AA2A39C01DF91AF"),
    (
        "90AF0000202A34F282444D708D79B333D914D180E9F35CD9A83571760D0B9110A866102A6300",
        "BB9E94FCDBE27378CC0AEBFE2FF5E6FFD17FE46B5D4817405D4B0A9E99185F129100",
    ),
    (
        (
            "908B00002F01000000100000721590E8D0C26E9F3394F33A131553788226661ABC3A6910AC3C7230ADF4"
            "D105B5D409E07A0532F300"
        ),
        "DB552FD9D33408EF9100",
    ),
    (
        "90C800001828BF1982BE086FBC60A22DAEB66613EEA706434973471F1E00",
        "A1963F1BB9FC916A8B15B2DC58002531B11FF6023DF464E09100",
    ),
    ("90C700000901E516751A0725A62400", "0400000094A3205E41588BA9F4697772DA9DDB829100"),
]


def write_and_commit() -> Exchange[tuple[bytes, bytes]]:
    """Write a record, name the reader, commit; return what the card says to the last two."""
    session = yield from authenticate_first(1, KEY, DRAWN)
    place = bytes.fromhex("01000000100000")
    yield from session.run(Command(0x8B, place, RECORD), Mode.FULL)
    previous = yield from session.run(Command(0xC8, data=READER), Mode.MAC)
    committed = yield from session.run(Command(0xC7, b"\x01"), Mode.MAC)
    return previous, committed


def play() -> tuple[bytes, bytes]:
    """Answer each frame as the chip did, once it is the frame that the chip was sent."""
    exchange = write_and_commit()
    command: CommandApdu | None = next(exchange)
    for sent, answer in TRACE:
        assert command is not None
        assert command.encode().hex().upper() == sent
        try:
            command = exchange.send(ResponseApdu.decode(bytes.fromhex(answer)))
        except StopIteration as end:
            assert (sent, answer) == TRACE[-1]
            result: tuple[bytes, bytes] = end.value
            return result
    raise AssertionError("the reader sends more than it did")


def test_a_transaction_of_a_real_chip_is_made_and_checked() -> None:
    previous, answer = play()
    committed = Committed.decode(answer)
    pieces = [
        data_piece(DataCommand.WRITE_RECORD, 1, 0, RECORD),
        reader_piece(READER, previous),
    ]
    assert is_genuine(MAC_KEY, UID, committed, pieces)
    assert previous_reader(transaction_keys(MAC_KEY, UID, committed.counter), previous) == READER
