"""A terminal whose taps are timed, part by part."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import trio
from msgspec import Struct

from bench.errors import BenchError
from bench.lanes import NO_PLACES, Hands, build_lane, gate, opened_journal
from ops.node import now_ms
from protocol.chip.keys import Role, SoftwareCardKeys
from terminals.acceptance.journal import TapJournal
from terminals.acceptance.rows import Attempt, Tap
from terminals.acceptance.terminal import Readers, Terminal
from terminals.acceptance.uplink import Node, Uplink
from terminals.acceptance.visit import Taken, Visit
from terminals.keeper import FileKeeper
from terminals.keys import new_key
from terminals.pcsc.card_link import Step
from terminals.pcsc.service import Establish
from terminals.pcsc.watch import ReaderWatch, every_reader
from terminals.pcsc.work import CardWorkers

TERMINAL: Final = "terminal-timed"
NO_NODE: Final = "ws://127.0.0.1:9"
PAUSE_MS: Final = 600_000
"""Between two taps of the card, by the clock of the terminal: enough to ride."""
WARM_RIDES: Final = 5
"""That are not measured: what is used for the first time takes longer."""


class Tapped(Struct, frozen=True):
    """A tap that paid a ride: what took how many seconds.

    Attributes:
      whole_s: from the reader's event to the screen.
      apdu_s: commands, until they were answered.
      journal_s: durable writes.
      around_s: before the first command, and after the last write.
      steps: the trace.
    """

    whole_s: float
    apdu_s: float
    journal_s: float
    around_s: float
    steps: Sequence[Step]

    @property
    def own_s(self) -> float:
        """What the terminal needs for its cryptography and its decision."""
        return self.whole_s - self.apdu_s - self.journal_s - self.around_s


class TimedJournal(TapJournal):
    """A journal that knows how long its writes took.

    Attributes:
      took_s: of all writes about cards since it was set to zero.
      ended_s: when the last one was done.
    """

    took_s = 0.0
    ended_s = 0.0

    def begin(self, attempt: Attempt) -> None:
        """Write down what a card is about to be told."""
        began_s = time.perf_counter()
        super().begin(attempt)
        self._note(began_s)

    def finish(self, sequence: int, proof: bytes) -> Tap:
        """Make a tap of an attempt."""
        began_s = time.perf_counter()
        tap = super().finish(sequence, proof)
        self._note(began_s)
        return tap

    def _note(self, began_s: float) -> None:
        self.ended_s = time.perf_counter()
        self.took_s += self.ended_s - began_s


def take_taps(
    establish: Establish, reader: str, keys: SoftwareCardKeys, folder: Path, taps: int
) -> list[Tapped]:
    """Let a card that lies on a reader ride, and return the taps that paid.

    Args:
      establish: begins a conversation with whoever has the reader.
      reader: by its name.
      keys: of cards.
      folder: for the journal of the terminal.
      taps: that pay, as many are measured.

    Raises:
      BenchError: one was not taken.
    """
    hands = Hands(now_ms())
    with opened_journal(folder / "journal", hands.now_ms, TimedJournal) as journal:
        assert isinstance(journal, TimedJournal)
        timed = _Timed(establish, reader, keys, folder, journal, hands)
        return trio.run(timed.ride, taps)


class _Timed:
    """The terminal, and what was seen of its taps. It is its own screen."""

    def __init__(
        self,
        establish: Establish,
        reader: str,
        keys: SoftwareCardKeys,
        folder: Path,
        journal: TimedJournal,
        hands: Hands,
    ) -> None:
        self._reader, self._journal, self._hands = reader, journal, hands
        self._steps: list[Step] = []
        self._first_s = 0.0
        self._visit: Visit | None = None
        clock, point = hands.clock(), gate(TERMINAL)
        parts = build_lane(point, Role.DEBIT, keys, journal, clock=clock, chance=os.urandom)
        uplink = Uplink(
            Node(url=NO_NODE, terminal=TERMINAL, key=new_key(), random=random.Random(1).random),
            keeper=FileKeeper(folder / "kept"),
            journal=journal,
            sender=parts.sender,
            clock=clock,
        )
        readers = Readers(
            watch=ReaderWatch(establish, every_reader),
            workers=CardWorkers(establish),
            clock_s=time.perf_counter,
            on_step=self._take_step,
        )
        self._terminal = Terminal(
            readers, parts.lane, uplink, places=NO_PLACES, screen=self, clock=clock
        )

    async def ride(self, rides: int) -> list[Tapped]:
        """Tap in and out, so many times."""
        tapped: list[Tapped] = []
        for _ in range(WARM_RIDES + rides):
            await self._tap()
            tapped.append(await self._tap())
        return tapped[WARM_RIDES:]

    def show(self, reader: str, lines: Sequence[str]) -> None:
        """Show what there is while there is no card: a screen that is timed draws nothing."""
        assert reader, lines

    def visited(self, reader: str, visit: Visit, lines: Sequence[str], took_s: float) -> None:
        """Keep what came of a visit."""
        assert reader == self._reader, (lines, took_s)
        self._visit = visit

    async def _tap(self) -> Tapped:
        self._hands.now_ms += PAUSE_MS
        self._steps, self._visit, self._journal.took_s = [], None, 0.0
        began_s = time.perf_counter()
        await self._terminal.serve(self._reader)
        ended_s = time.perf_counter()
        if not isinstance(self._visit, Taken) or not self._visit.counter:
            raise BenchError(f"a tap was not taken: {self._visit}")
        return Tapped(
            whole_s=ended_s - began_s,
            apdu_s=sum(step.duration_s for step in self._steps),
            journal_s=self._journal.took_s,
            around_s=self._first_s - began_s + ended_s - self._journal.ended_s,
            steps=self._steps,
        )

    def _take_step(self, step: Step) -> None:
        if not self._steps:
            self._first_s = time.perf_counter() - step.duration_s
        self._steps.append(step)
