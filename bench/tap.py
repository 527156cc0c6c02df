"""A tap, from finding the card to the open gate: what takes how long, with PC/SC and without."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context
from pathlib import Path
from typing import Final

from msgspec import Struct

from bench.air import FAST, RATES, SLOW, OnAir, exchanged, finding_us, on_air
from bench.counter import Tapped, take_taps
from bench.errors import BenchError
from bench.figures import Figure, percentile
from bench.lanes import Masters, card_keys, make_card, new_masters
from bench.machine import Pins, generating
from bench.setting import Bench
from ops.node import now_ms
from ops.virtual_card.card import VirtualCard
from ops.virtual_card.pcscd import ServiceFailed, came_true, missing, own_readers
from ops.virtual_card.vpcd import VpcdSlot
from terminals.errors import ReaderFailed
from terminals.pcsc.service import Connection, Leaving, Slot

NUMBER: Final = 1
VALUE_RP: Final = 2_000_000
READER: Final = "a reader without a service"
SEEN_S_MAX: Final = 15.0
RUN_S_MAX: Final = 600.0
SHARES: Final = (("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("max", 1.0))


def tap(bench: Bench) -> list[Figure]:
    """A ride is paid, over and over: at a virtual reader of PC/SC, and at none.

    Raises:
      BenchError: a tap was not taken.
    """
    plan = bench.plan
    bare: list[list[Tapped]] = []
    for _ in range(plan.repeats):
        bench.tell(f"{plan.taps:,} taps without PC/SC")
        with generating(bench.pins):
            bare.append(bare_taps(bench.place, plan.taps))
    figures = [*_figures("bare", "no PC/SC, the card in the same thread", bare)]
    bench.no_readers = missing()
    if not bench.no_readers:
        stacked: list[list[Tapped]] = []
        for _ in range(plan.repeats):
            bench.tell(f"{plan.taps:,} taps at a reader of PC/SC")
            stacked.append(_apart(PcscPlan(str(bench.place), plan.taps, bench.pins)))
        figures += _figures("pcsc", "PC/SC, the card in a process of its own", stacked)
        shares = [
            _share(there, 0.5) / _share(here, 0.5)
            for there, here in zip(stacked, bare, strict=True)
        ]
        figures.append(Figure("tap_pcsc_share", "of the median without PC/SC", shares))
    return [*figures, *_on_paper(bare[0][-1])]


def _share(taps: Sequence[Tapped], share: float) -> float:
    return percentile([each.whole_s * 1000 for each in taps], share)


def _figures(name: str, what: str, runs: Sequence[Sequence[Tapped]]) -> Iterator[Figure]:
    for label, share in SHARES:
        values = [_share(taps, share) for taps in runs]
        yield Figure(f"tap_{name}_{label}_ms", f"the whole visit; {what}", values)
    parts: Mapping[str, tuple[str, Callable[[Tapped], float]]] = {
        "apdu": ("of that: commands, until they are answered", lambda each: each.apdu_s),
        "own": ("the terminal's cryptography and decision", lambda each: each.own_s),
        "journal": ("two durable writes", lambda each: each.journal_s),
        "around": ("threads, connecting, the screen", lambda each: each.around_s),
    }
    for part, (meaning, of) in parts.items():
        medians = [percentile([of(each) * 1000 for each in taps], 0.5) for taps in runs]
        yield Figure(f"tap_{name}_{part}_ms", f"{meaning}; the median", medians)


def _on_paper(tapped: Tapped) -> Iterator[Figure]:
    """Yield what the commands of a tap would take on the air."""
    exchanges = exchanged(tapped.steps)
    visits: list[OnAir] = [on_air(exchanges, rate) for rate in RATES]
    visit = visits[0]
    yield Figure("tap_commands", "answered by the reader, too", [len(tapped.steps)])
    yield Figure("tap_round_trips", "on the air, on paper", [visit.commands])
    yield Figure("tap_bytes_there", "of their APDUs", [visit.there])
    yield Figure("tap_bytes_back", "of their answers", [visit.back])
    for rate, each in zip(RATES, visits, strict=True):
        name = f"at {rate.kbit_per_s} kbit/s, computed"
        yield Figure(f"tap_air_{rate.kbit_per_s}_ms", name, [each.air_us / 1000])
    yield Figure("tap_finding_106_ms", "to find the card, computed", [finding_us(SLOW) / 1000])
    yield Figure("tap_finding_848_ms", "with the change of rate", [finding_us(FAST) / 1000])
    yield Figure("tap_card_assumed_ms", "of the chip itself, ASSUMED", [visit.card_us / 1000])


# --- without PC/SC ----------------------------------------------------------------------------


def bare_taps(place: Path, taps: int) -> list[Tapped]:
    """Take taps of a virtual card that answers in the thread that asks."""
    masters = new_masters(os.urandom)
    keys, began_ms = card_keys(masters), now_ms()
    here = NoService(make_card(keys, NUMBER, began_ms, os.urandom, value_rp=VALUE_RP))
    with tempfile.TemporaryDirectory(dir=place) as folder:
        return take_taps(lambda: here, READER, keys, Path(folder), taps)


class NoService:
    """A service of one reader that there is none of: the card itself."""

    def __init__(self, card: VirtualCard) -> None:
        self._card = card

    def readers(self) -> tuple[str, ...]:
        """Name the reader."""
        return (READER,)

    def wait(self, known: Mapping[str, Slot | None]) -> dict[str, Slot]:
        """Return the card to whoever knows nothing yet."""
        return {reader: Slot(0, present=True) for reader, slot in known.items() if slot is None}

    def cancel(self) -> None:
        """Do nothing: nobody waits."""

    def connect(self, reader: str) -> Connection:
        """Begin to speak to the card."""
        assert reader == READER, reader
        self._card.power_on()
        return self

    def transmit(self, command: bytes) -> bytes:
        """Send a command and return its answer."""
        return self._card.answer(command)

    def close(self, leaving: Leaving) -> None:
        """Let go of the card."""
        if leaving is Leaving.RESET:
            self._card.reset()

    def release(self) -> None:
        """End nothing."""


# --- with PC/SC -------------------------------------------------------------------------------


class PcscPlan(Struct, frozen=True):
    """Taps to be taken at a reader of PC/SC, in whatever process.

    Attributes:
      place: a folder on the disk that is measured.
    """

    place: str
    taps: int
    pins: Pins


def _apart(plan: PcscPlan) -> list[Tapped]:
    """Take taps in a process of its own: the library of PC/SC finds one service in its life."""
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        try:
            return pool.submit(pcsc_taps, plan).result(RUN_S_MAX)
        except (ServiceFailed, ReaderFailed) as failed:
            raise BenchError(str(failed)) from failed


def pcsc_taps(plan: PcscPlan) -> list[Tapped]:
    """Take taps of a virtual card at a virtual reader of a service of our own.

    Raises:
      ServiceFailed: it does not start.
      BenchError: the reader does not see the card, or a tap was not taken.
    """
    masters = new_masters(os.urandom)
    with (
        own_readers(1, plan.pins.prefix) as readers,
        _presented(masters, readers.port(0), plan.pins),
        generating(plan.pins),
        tempfile.TemporaryDirectory(dir=plan.place) as folder,
    ):
        (reader,) = readers.readers
        context = readers.establish()
        seen = came_true(lambda: context.wait({reader: None})[reader].present, SEEN_S_MAX)
        context.release()
        if not seen:
            raise BenchError("the reader does not see its card")
        keys = card_keys(masters)
        return take_taps(readers.establish, reader, keys, Path(folder), plan.taps)


@contextmanager
def _presented(masters: Masters, port: int, pins: Pins) -> Iterator[None]:
    """Present a card in a process of its own: a real one is no part of the terminal either."""
    process = get_context("spawn").Process(
        target=_present, args=(dict(masters), port, pins.server), daemon=True
    )
    process.start()
    try:
        yield
    finally:
        process.terminate()
        process.join()


def _present(masters: Masters, port: int, core: int | None) -> None:
    if core is not None:
        os.sched_setaffinity(0, {core})
    keys = card_keys(masters)
    VpcdSlot(make_card(keys, NUMBER, now_ms(), os.urandom, value_rp=VALUE_RP), port=port).run()
