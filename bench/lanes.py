"""Virtual cards and lanes of real terminals, as measurements of acceptance put them together."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from functools import cache
from pathlib import Path
from typing import Final, TypeVar

from msgspec import Struct

from engine.calendar import day_of
from engine.law import Law
from ops.rulebook import law_in
from ops.virtual_card.card import VirtualCard
from protocol.chip.apdu import Exchange
from protocol.chip.keys import Role, SoftwareCardKeys
from protocol.chip.personalise import personalise
from protocol.chip.profile import CardFace, Record, Use, place_mark, reader_identity
from storage.lmdb_store import LmdbStore
from terminals.acceptance.journal import TABLES, TapJournal
from terminals.acceptance.lane import Lane
from terminals.acceptance.offline import Offline
from terminals.acceptance.point import Places, Point, Published
from terminals.acceptance.sender import Sender
from terminals.acceptance.timing import Timing
from terminals.acceptance.visit import Visits
from terminals.clock import NodeClock
from terminals.pcsc.card_link import run_exchange

T = TypeVar("T")

KEY_VERSION: Final = 1
YEARS_VALID: Final = 5
BUREAU: Final = "bureau"
BANK: Final = "dki"
NO_PLACES: Final = Places(())

Masters = Mapping[str, bytes]
"""Master keys of cards by the names of their roles, as other processes are given them."""
Chance = Callable[[int], bytes]


def new_masters(chance: Chance) -> dict[str, bytes]:
    """Return fresh master keys."""
    return {role.value: chance(16) for role in Role}


def placed(masters: Masters) -> dict[tuple[Role, int], bytes]:
    """Return master keys by role and version."""
    return {(Role(name), KEY_VERSION): raw for name, raw in masters.items()}


def card_keys(masters: Masters) -> SoftwareCardKeys:
    """Return the keys of cards that are made of master keys."""
    return SoftwareCardKeys(placed(masters))


@cache
def law() -> Law:
    """Return the law that comes with the program."""
    return law_in(None)


def gate(terminal: str) -> Point:
    """Return a gate of a line of buses, in and out."""
    return Point(
        kind="gate",
        terminal=terminal,
        operator="transjakarta",
        service="transjakarta_brt",
        place="P00142",
        line="1",
    )


def shop(terminal: str) -> Point:
    """Return a shop."""
    return Point(
        kind="shop",
        terminal=terminal,
        place="Pasar",
        merchant="pasar-jaya",
        merchant_kind="food",
    )


class Hands:
    """Clocks that are set by hand: a day passes in a minute."""

    def __init__(self, now_ms: int) -> None:
        self.now_ms = now_ms
        self._began_ms = now_ms

    def own_ms(self) -> int:
        """Return the terminal's own time."""
        return self.now_ms

    def steady_s(self) -> float:
        """Return seconds that go on steadily."""
        return (self.now_ms - self._began_ms) / 1000

    def clock(self) -> NodeClock:
        """Return the clock of a terminal that has never heard of its node."""
        return NodeClock(self.own_ms, steady_s=self.steady_s)


class CardHere:
    """A virtual card of this process, to be spoken with: carries exchanges out, as `Talk` says."""

    def __init__(self, card: VirtualCard) -> None:
        self._card = card

    def transmit(self, command: bytes) -> bytes:
        """Send it a command and return its answer."""
        return self._card.answer(command)

    def __call__(self, exchange: Exchange[T], /) -> T:
        """Carry an exchange out."""
        return run_exchange(self, exchange, _no_time).result

    def found(self) -> CardHere:
        """Let the card be found anew."""
        self._card.power_off()
        self._card.power_on()
        return self


def make_card(
    keys: SoftwareCardKeys, number: int, now_ms: int, chance: Chance, *, value_rp: int = 0
) -> VirtualCard:
    """Make one of our cards out of a virtual one from the factory.

    Args:
      keys: of cards.
      number: tells its UID and what stands on it: 16 digits.
      now_ms: of its first record.
      chance: of chip and bureau.
      value_rp: on it from the beginning, which no ledger knows of.
    """
    uid = bytes((0x04,)) + number.to_bytes(6, "big")
    card = VirtualCard(uid, chance=chance)
    card.power_on()
    face = CardFace(card_number(number), KEY_VERSION, day_of(now_ms) + YEARS_VALID * 365, 0, 0)
    issued = Record(Use.ISSUED, now_ms // 1000, 0, place_mark(0, ""), 0)
    making = personalise(
        keys, face, uid, issued, reader_identity(BUREAU), chance, value_rp=value_rp
    )
    assert CardHere(card)(making), "it came from the factory"
    return card


def card_number(number: int) -> str:
    """Return what stands on a card."""
    return f"9360{number:012d}"


@contextmanager
def opened_journal(
    folder: Path, now_ms: int, kind: type[TapJournal] = TapJournal
) -> Iterator[TapJournal]:
    """Open the journal of a terminal on the disk, and close it behind the body."""
    with closing(LmdbStore(folder, tables=TABLES)) as store:
        yield kind(store, now_ms=now_ms)


class Parts(Struct, frozen=True):
    """The parts of a terminal that take cards.

    Attributes:
      sender: which nobody runs while there is no node.
    """

    visits: Visits
    lane: Lane
    sender: Sender


def build_lane(
    point: Point,
    role: Role,
    keys: SoftwareCardKeys,
    journal: TapJournal,
    *,
    clock: NodeClock,
    chance: Chance,
) -> Parts:
    """Put the parts of a terminal together that take cards."""
    timing = Timing(clock, journal.run)
    visits = Visits(point, role, keys, journal, timing, chance)
    offline = Offline(point, law().tariffs, NO_PLACES, nothing)
    sender = Sender(journal, timing)
    lane = Lane(point, visits, offline, journal, sender, timing, nothing)
    return Parts(visits, lane, sender)


def _nothing(_key: str) -> None:
    """Publish nothing."""


nothing: Final[Published] = _nothing
"""What lists say that were never published."""


def _no_time() -> float:
    return 0.0
