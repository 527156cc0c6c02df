"""A whole terminal: its readers, its lane, its journal, and its node when there is one.

    readers ──events──> lane ──visits──> chips
                          │
                       journal ──> sender ──> client ──> node
                          │                     │
                       screen                lists, commands, clock

Nothing here waits for the node but a kiosk for its bank. A reader that fails, a service that is
gone, a node that refuses: each is told, and the rest goes on.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final, Protocol, TypeVar

import trio

from engine.fleet.lists import ListName
from protocol.chip.apdu import Exchange
from storage.errors import StorageFull
from terminals.acceptance.lane import Lane
from terminals.acceptance.point import Places
from terminals.acceptance.refusal import Refusal, Refused
from terminals.acceptance.screen import lines_of
from terminals.acceptance.uplink import Uplink
from terminals.acceptance.visit import Talk, Turned, Visit
from terminals.clock import NodeClock
from terminals.errors import CardGone, CardMute, ReaderFailed
from terminals.messages import ChangeChip, CommandBody, SetLane
from terminals.nursery import flat_nursery
from terminals.part import untold
from terminals.pcsc.card_link import CardLink, OnStep, run_exchange
from terminals.pcsc.events import (
    CardInserted,
    CardRemoved,
    MuteCardInserted,
    ReaderAppeared,
    ReaderEvent,
    ReaderVanished,
    ServiceBack,
    ServiceLost,
)
from terminals.pcsc.watch import ReaderWatch
from terminals.pcsc.work import CardWorkers

T = TypeVar("T")

HOUSEKEEPING_S: Final = 30.0
"""Between two looks at what is owed to cards, and at the own clock."""

AGAIN: Final = frozenset({Refusal.MOVED, Refusal.TORN})
AGAIN_S: Final = 0.45
"""Before a card that moved is tried again: a service sees within 400 ms that one has gone."""
TRIES_MAX: Final = 4


class Screen(Protocol):
    """Shows lines to whoever stands in front of a reader."""

    def show(self, reader: str, lines: Sequence[str]) -> None:
        """Show them, until others are shown."""
        ...

    def visited(self, reader: str, visit: Visit, lines: Sequence[str], took_s: float) -> None:
        """Show what came of a visit, which took so long from finding the card to this."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Readers:
    """The card readers of a terminal.

    Attributes:
      watch: tells what happens at them.
      workers: speak to cards.
      clock_s: seconds that go on steadily, for the trace.
      on_step: is told each command of a card.
    """

    watch: ReaderWatch
    workers: CardWorkers
    clock_s: Callable[[], float]
    on_step: OnStep | None = None


class Talking:
    """Carries exchanges out over a link to a card."""

    def __init__(self, link: CardLink, readers: Readers) -> None:
        self._link = link
        self._readers = readers

    def __call__(self, exchange: Exchange[T], /) -> T:
        """Carry one out, as `Talk` says."""
        readers = self._readers
        return run_exchange(self._link, exchange, readers.clock_s, readers.on_step).result


class Terminal:
    """Runs a terminal.

    Args:
      readers: where cards are presented.
      lane: takes them.
      uplink: to its node.
      places: names what records of chips mean.
      screen: shows what came of a visit.
      clock: is looked at for having been set.
      needs: lists without which no card is taken: a spare terminal is given them first.
      note: takes one line for people, where something is wrong.
    """

    def __init__(
        self,
        readers: Readers,
        lane: Lane,
        uplink: Uplink,
        *,
        places: Places,
        screen: Screen,
        clock: NodeClock,
        needs: Sequence[ListName] = (),
        note: Callable[[str], None] = untold,
    ) -> None:
        self._readers = readers
        self._needs = needs
        self._lane = lane
        self._uplink = uplink
        self._places = places
        self._screen = screen
        self._clock = clock
        self._note = note
        # Counts what came to a reader and what left it, so that a card is told from the next one.
        # Threads of readers look at it, and only this one writes.
        self._arrivals: dict[str, int] = {}
        self._idle: set[str] = set()
        uplink.handle_with(self.handle)

    async def run(self) -> None:
        """Take cards until cancelled.

        Raises:
          StorageError: the disk failed. The terminal has to be started again.
        """
        async with flat_nursery() as nursery:
            nursery.start_soon(self._uplink.run)
            await self._uplink.wait_loaded()
            nursery.start_soon(self._keep_house)
            async with self._readers.watch.open() as events:
                async for event in events:
                    self._take(event, nursery)

    def name_with(self, places: Places) -> None:
        """Name what records mean by other rules from now on."""
        self._places = places

    def key_in(self, amount_rp: int) -> bool:
        """Let the next card pay, or get, an amount, and show it; tell whether that may be."""
        taken = self._lane.key_in(amount_rp)
        self._show_idle()
        return taken

    def arrivals(self, reader: str) -> int:
        """Return how often something came to a reader, or left it."""
        return self._arrivals.get(reader, 0)

    def _take(self, event: ReaderEvent, nursery: trio.Nursery) -> None:
        match event:
            case CardInserted(reader=reader):
                self._arrived(reader)
                nursery.start_soon(self.serve, reader, self.arrivals(reader))
            case MuteCardInserted(reader=reader):
                self._arrived(reader)
                self._tell(reader, Turned(Refused(Refusal.SEVERAL)))
            case CardRemoved(reader=reader) | ReaderAppeared(reader=reader):
                self._arrived(reader)
                self._idle.add(reader)
                self._screen.show(reader, self._lane.idle_lines())
            case ReaderVanished(reader=reader):
                self._arrived(reader)
                self._note(f"{reader} is gone")
            case ServiceLost(text=text):
                self._note(f"no card readers: {text}")
            case ServiceBack():
                self._note("card readers are back")

    def _arrived(self, reader: str) -> None:
        self._arrivals[reader] = self.arrivals(reader) + 1
        self._idle.discard(reader)

    def _show_idle(self) -> None:
        for reader in sorted(self._idle):
            self._screen.show(reader, self._lane.idle_lines())

    async def serve(self, reader: str, arrival: int | None = None) -> None:
        """Take the card that lies on a reader.

        One that moved is tried again as long as it lies there: it may have been put back before
        its absence could be seen.

        Args:
          reader: by its name.
          arrival: of the card, as events are counted; what lies there now if it is not given.
        """
        arrival = self.arrivals(reader) if arrival is None else arrival
        for _ in range(TRIES_MAX):
            if self.arrivals(reader) != arrival:
                return
            begun_s = self._readers.clock_s()
            visit = await self._visit(reader, arrival)
            if visit is None:
                return
            self._tell(reader, visit, self._readers.clock_s() - begun_s)
            if not (isinstance(visit, Turned) and visit.refused.refusal in AGAIN):
                return
            await trio.sleep(AGAIN_S)

    async def _visit(self, reader: str, arrival: int) -> Visit | None:
        def present(work: Callable[[Talk], T], /) -> Awaitable[T]:
            def task(link: CardLink) -> T:
                # A card that came while this one waited for the reader has a visit of its own.
                if self.arrivals(reader) != arrival:
                    raise CardGone(f"{reader}: another card has come")
                return work(Talking(link, self._readers))

            return self._readers.workers.run(reader, task)

        lacking = [name for name in self._needs if not self._uplink.version(name)]
        if lacking:
            return Turned(Refused(Refusal.NOT_READY, ", ".join(lacking)))
        try:
            return await self._lane.serve(present)
        except CardGone:
            return Turned(Refused(Refusal.MOVED))
        except CardMute:
            return Turned(Refused(Refusal.SEVERAL))
        except ReaderFailed as failed:
            self._note(str(failed))
            return Turned(Refused(Refusal.OUT_OF_ORDER, str(failed)))

    async def handle(self, body: CommandBody) -> str:
        """Carry out what an officer has ordered; return why not, or an empty text."""
        match body:
            case SetLane(lane=lane):
                close = partial(self._lane.close, closed=lane == "closed")
                failure = await self._written_down(close)
                self._show_idle()
                return failure
            case ChangeChip(card=card, action=action):
                return await self._written_down(partial(self._lane.order, card, action))
            case _:
                return "this terminal does not do that"

    async def _written_down(self, order: Callable[[], str | None]) -> str:
        try:
            return await trio.to_thread.run_sync(order) or ""
        except StorageFull as full:
            return str(full)

    def _tell(self, reader: str, visit: Visit, took_s: float = 0.0) -> None:
        self._screen.visited(reader, visit, lines_of(visit, self._places), took_s)

    async def _keep_house(self) -> None:
        while True:
            if self._clock.look():
                self._note("the clock of this terminal was set")
            try:
                given = await trio.to_thread.run_sync(self._lane.give_back)
            except StorageFull as full:
                self._note(str(full))
            else:
                if given:
                    self._note(f"{given} top-ups that never came to their cards were given back")
            await trio.sleep(HOUSEKEEPING_S)
