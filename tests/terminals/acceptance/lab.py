"""Virtual cards and a terminal that takes them, without readers and without a node."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, TypeVar

from engine.law import law_of
from ops.rulebook import NOWHERE, load_rulebook
from ops.virtual_card.card import Torn, VirtualCard
from protocol.chip.apdu import Exchange
from protocol.chip.keys import Role, SoftwareCardKeys
from protocol.chip.personalise import personalise
from protocol.chip.profile import CardFace, Record, Use, place_mark, reader_identity
from storage.memory_store import MemoryStore
from storage.store import Store
from terminals.acceptance.journal import TABLES, TapJournal
from terminals.acceptance.offline import Offline
from terminals.acceptance.point import Places, Point
from terminals.acceptance.timing import Timing
from terminals.acceptance.visit import Visits
from terminals.clock import NodeClock
from terminals.errors import CardGone
from terminals.pcsc.card_link import run_exchange

T = TypeVar("T")

VERSION: Final = 1
NOON_MS: Final = 1_790_139_600_000
"""2026-09-23, 12:00 in Jakarta, a Wednesday."""
LAW: Final = law_of(load_rulebook(), NOWHERE)
MASTERS: Final = SoftwareCardKeys(
    {(role, VERSION): bytes([number]) * 16 for number, role in enumerate(Role)}
)
PLACES: Final = Places([("mrt", "Blok M"), ("mrt", "Senayan"), ("transjakarta_brt", "Blok M")])
BRT: Final = Point(
    kind="gate",
    terminal="GATE-01",
    operator="transjakarta",
    service="transjakarta_brt",
    place="Blok M",
    line="1",
)


def drawing(seed: int = 1) -> Callable[[int], bytes]:
    return random.Random(seed).randbytes


def made_card(
    number: str = "9360020000000017",
    *,
    uid: bytes = bytes.fromhex("04DE5F1EACC040"),
    value_rp: int = 50_000,
    group: int = 0,
    expires_day: int = 30_000,
) -> VirtualCard:
    """Return one of our cards, personalised."""
    chance = drawing(int.from_bytes(uid, "big"))
    card = VirtualCard(uid, chance=chance)
    card.power_on()
    face = CardFace(number, VERSION, expires_day, group, 30_000 if group else 0)
    issued = Record(Use.ISSUED, 1_700_000_000, 0, place_mark(0, ""), 0)
    making = personalise(
        MASTERS, face, uid, issued, reader_identity("BUREAU"), chance, value_rp=value_rp
    )
    assert Talking(card)(making)
    return card


class Talking:
    """Carries exchanges out with a virtual card, and counts its commands."""

    def __init__(self, card: VirtualCard) -> None:
        self._card = card
        self.commands = 0
        card.power_on()

    def transmit(self, command: bytes) -> bytes:
        try:
            answer = self._card.answer(command)
        except Torn:
            raise CardGone("torn") from None
        self.commands += 1
        return answer

    def __call__(self, exchange: Exchange[T], /) -> T:
        return run_exchange(self, exchange, lambda: 0.0).result


@dataclass
class World:
    """One terminal, its clock, and what it has on disk."""

    point: Point = BRT
    role: Role = Role.DEBIT
    store: Store = field(default_factory=lambda: MemoryStore(tables=TABLES))
    denied: dict[str, str] = field(default_factory=dict)
    own_ms: int = NOON_MS
    steady_s: float = 100.0
    running_s: Callable[[], float] = lambda: 0.0
    """What goes on by itself beside that, where a real node is at the other end."""

    def __post_init__(self) -> None:
        self.clock = NodeClock(
            lambda: self.own_ms + round(self.running_s() * 1000),
            steady_s=lambda: self.steady_s + self.running_s(),
        )
        self.start()

    def start(self) -> None:
        """Start the program, on what stands on the disk."""
        self.journal = TapJournal(self.store, now_ms=self.own_ms)
        self.timing = Timing(self.clock, self.journal.run)
        self.offline = Offline(self.point, LAW.tariffs, PLACES, self.denied.get)
        self.visits = Visits(
            self.point, self.role, MASTERS, self.journal, self.timing, drawing(self.own_ms)
        )

    def wait(self, seconds: float) -> None:
        self.own_ms += round(seconds * 1000)
        self.steady_s += seconds
