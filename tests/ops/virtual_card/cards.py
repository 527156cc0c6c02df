"""Virtual cards for tests: keys that everybody knows, and chance that says the same each time."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import Final, TypeVar

import pytest

from ops.virtual_card.card import VirtualCard
from protocol.chip.apdu import Exchange, ResponseApdu, select
from protocol.chip.authentication import authenticate_first
from protocol.chip.card_layout import FACTORY_KEY
from protocol.chip.errors import CardRefused
from protocol.chip.keys import ChipKey, Role, SoftwareCardKeys
from protocol.chip.personalise import personalise
from protocol.chip.profile import APPLICATION_NAME, CardFace, Record, Use, reader_identity
from protocol.chip.secure import Command, Mode, ReaderSession

UID: Final = bytes.fromhex("04DE5F1EACC040")
VERSION: Final = 3
KEYS: Final = SoftwareCardKeys(
    {(role, VERSION): bytes((number,)) * 16 for number, role in enumerate(Role, 1)}
)
FACE: Final = CardFace("6032000000000017", VERSION, 21_000, 2, 20_900)
READER: Final = reader_identity("PERSO-1")
VALUE_RP: Final = 50_000

Result = TypeVar("Result")


def seeded(seed: int = 1) -> Callable[[int], bytes]:
    return random.Random(seed).randbytes


@dataclass
class Planned:
    """Chance that first says what was planned."""

    plan: list[bytes] = field(default_factory=list)
    rest: Callable[[int], bytes] = field(default_factory=seeded)

    def __call__(self, count: int) -> bytes:
        if not self.plan:
            return self.rest(count)
        drawn = self.plan.pop(0)
        assert len(drawn) == count
        return drawn


def record(use: Use = Use.TAP_IN, amount_rp: int = 0, sequence: int = 0) -> Record:
    return Record(use, 1_790_000_000, amount_rp, b"mrt1", sequence)


ISSUED: Final = record(Use.ISSUED)


def talk(card: VirtualCard, exchange: Exchange[Result]) -> Result:
    """Carry an exchange out with a card."""
    command = next(exchange)
    while True:
        try:
            command = exchange.send(ResponseApdu.decode(card.answer(command.encode())))
        except StopIteration as end:
            result: Result = end.value
            return result


def fresh(chance: Callable[[int], bytes] | None = None) -> VirtualCard:
    """Return a card as it leaves the factory."""
    return VirtualCard(UID, chance=chance or seeded())


def making(value_rp: int = VALUE_RP) -> Exchange[bool]:
    """Return the exchange that makes one of ours out of a card."""
    return personalise(KEYS, FACE, UID, ISSUED, READER, seeded(2), value_rp=value_rp)


@cache
def _image() -> bytes:
    card = fresh()
    assert talk(card, making())
    return card.image()


def ours(chance: Callable[[int], bytes] | None = None) -> VirtualCard:
    """Return one of our cards."""
    return VirtualCard.from_image(_image(), chance=chance or seeded(3))


def prove(card: VirtualCard, number: int, key: ChipKey = FACTORY_KEY) -> ReaderSession:
    """Select the application of a card, and begin a session with one of its keys."""
    assert card.answer(select(APPLICATION_NAME).encode()) == b"\x90\x00"
    return talk(card, authenticate_first(number, key, bytes(range(16))))


def run(card: VirtualCard, session: ReaderSession, command: Command, mode: Mode) -> bytes:
    return talk(card, session.run(command, mode))


def sent(card: VirtualCard, apdu: str) -> str:
    """Send bytes, in hex, and return the answer."""
    return card.answer(bytes.fromhex(apdu)).hex().upper()


@contextmanager
def refused(status: int) -> Iterator[None]:
    """Expect that the card refuses the body."""
    with pytest.raises(CardRefused) as caught:
        yield
    assert f"{caught.value.status:04X}" == f"{status:04X}"
