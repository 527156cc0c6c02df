"""What commands of a card take on the air, on paper: from a recorded trace, by the standards.

No reader and no real card was there: bytes are those of the trace, all else is computed. What a
chip needs to work on a command is an assumption, and kept apart.

Source: ISO/IEC 14443-2 and -3, type A (bits, frames, frame delay times); ISO/IEC 14443-4 (blocks).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Final

from msgspec import Struct

from terminals.pcsc.card_link import STATUS_BYTES, Step

CARRIER_MHZ: Final = 13.56
BYTE_BITS: Final = 9
"""With its parity."""
READER_FRAME_BITS: Final = 3
"""Around the bytes: one that begins the frame; a zero and a pause that end it."""
CARD_FRAME_BITS: Final = 2
BLOCK_BYTES: Final = 3
"""Of a block beside what it carries: PCB and CRC; no CID, no NAD."""
FRAME_BYTES_MAX: Final = 64
"""That card and reader take at once: what cards of this family say when they are found."""
DELAY_US: Final = 1172 / CARRIER_MHZ
"""The least from the end of one frame to the begin of the other side's: 86 us."""

READER_CLASS: Final = 0xFF
"""Commands of this class the reader answers by itself."""


class Rate(Struct, frozen=True):
    """A bit rate, the same both ways.

    Attributes:
      kbit_per_s: as it is called.
      bit_us: how long a bit takes.
      lead_us: of the subcarrier alone before a card's frame.
    """

    kbit_per_s: int
    bit_us: float
    lead_us: float = 0.0


SLOW: Final = Rate(106, 128 / CARRIER_MHZ)
FAST: Final = Rate(848, 16 / CARRIER_MHZ, lead_us=32 * 16 / CARRIER_MHZ)
RATES: Final = (SLOW, FAST)

ASSUMED_CARD_US: Final[dict[int, int]] = {
    0xA4: 2_000,  # select
    0x71: 5_000,  # first half of the authentication
    0xAF: 5_000,  # second half
    0x6C: 2_000,  # value
    0xAB: 2_500,  # records, enciphered
    0xDC: 3_000,  # debit
    0x0C: 3_000,  # credit
    0x8B: 4_000,  # record written, enciphered
    0xC8: 4_000,  # identity of the reader
    0xC7: 10_000,  # commit
    0xA7: 2_000,  # abort
}
"""What a chip works on a command, by its INS. An ASSUMPTION: no public data sheet was
found that gives it, and nobody here has measured it. Public is that its EEPROM is written in 1 ms
(product sheet of MIFARE DESFire EV2); the rest is a guess in that order of size, to be replaced by
a measurement."""
ASSUMED_OTHER_US: Final = 3_000


class Exchanged(Struct, frozen=True):
    """A command and its answer.

    Attributes:
      ins: of the command.
      there, back: bytes of the APDUs.
    """

    ins: int
    there: int
    back: int


class OnAir(Struct, frozen=True):
    """What a visit takes on the air.

    Attributes:
      commands: that went to the card.
      there, back: bytes of their APDUs.
      air_us: frames, and the least delays between them.
      card_us: what the chip is assumed to work, as far as it is above those delays.
    """

    commands: int
    there: int
    back: int
    air_us: float
    card_us: float


def exchanged(steps: Iterable[Step]) -> list[Exchanged]:
    """Return what of a trace goes over the air: not what the reader answers by itself."""
    return [
        Exchanged(
            step.command.ins,
            len(step.command.encode()),
            0 if step.answer is None else len(step.answer.data) + STATUS_BYTES,
        )
        for step in steps
        if step.command.cla != READER_CLASS
    ]


def on_air(exchanges: Sequence[Exchanged], rate: Rate) -> OnAir:
    """Return what exchanges take at a rate."""
    return OnAir(
        commands=len(exchanges),
        there=sum(each.there for each in exchanges),
        back=sum(each.back for each in exchanges),
        air_us=sum(exchange_us(each, rate) for each in exchanges),
        card_us=sum(max(0.0, assumed_us(each.ins) - DELAY_US) for each in exchanges),
    )


def exchange_us(exchange: Exchanged, rate: Rate) -> float:
    """Return what one exchange takes, if the card answers as soon as it may.

    The delay before the next command is counted with it.
    """
    there, back = blocks(exchange.there), blocks(exchange.back)
    frames_us = sum(reader_frame_us(size, rate) for size in there)
    frames_us += sum(card_frame_us(size, rate) for size in back)
    # Each block but the last of its side is acknowledged by the other side.
    acknowledged = len(there) - 1
    asked_for = len(back) - 1
    frames_us += acknowledged * card_frame_us(BLOCK_BYTES, rate)
    frames_us += asked_for * reader_frame_us(BLOCK_BYTES, rate)
    turns = 2 * (1 + acknowledged + asked_for)
    return frames_us + turns * DELAY_US


def blocks(apdu_bytes: int) -> list[int]:
    """Return the sizes of the blocks that carry an APDU, with all that is around it."""
    room = FRAME_BYTES_MAX - BLOCK_BYTES
    cuts = [*range(0, apdu_bytes, room), apdu_bytes]
    return [after - before + BLOCK_BYTES for before, after in pairwise(cuts)]


def reader_frame_us(size: int, rate: Rate) -> float:
    """Return what a frame of the reader takes."""
    return (size * BYTE_BITS + READER_FRAME_BITS) * rate.bit_us


def card_frame_us(size: int, rate: Rate) -> float:
    """Return what a frame of the card takes."""
    return rate.lead_us + (size * BYTE_BITS + CARD_FRAME_BITS) * rate.bit_us


def assumed_us(ins: int) -> int:
    """Return what a chip is assumed to work on a command."""
    return ASSUMED_CARD_US.get(ins, ASSUMED_OTHER_US)


FINDING: Final = ((1, 2), (2, 5), (9, 3), (2, 5), (9, 3), (4, 8))
"""Bytes of the frames in which a card is found, there and back: asked for, its UID in two steps of
two each, its selection for blocks. The first is a short frame, of 7 bits: it counts as a byte."""
CHANGE_OF_RATE: Final = (5, 3)


def finding_us(rate: Rate) -> float:
    """Return what it takes to find a card and to agree on a rate, before its first command.

    All of that is spoken at 106 kbit/s, and done once for a card; that a reader lets the field
    stand for 5 ms before it asks is not in it.
    """
    frames = FINDING if rate is SLOW else (*FINDING, CHANGE_OF_RATE)
    return sum(
        reader_frame_us(there, SLOW) + card_frame_us(back, SLOW) + 2 * DELAY_US
        for there, back in frames
    )
