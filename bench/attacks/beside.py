"""The well-behaved, while others attack: terminals that tap, and some that come in anew."""

from __future__ import annotations

import random
import time
from functools import partial
from typing import Final

import trio
from msgspec import Struct

from bench.attacks.catalogue import KEY
from bench.attacks.peer import Ended, Peer
from bench.figures import percentile
from bench.line import Line
from bench.load import Load, open_loop
from bench.setting import Bench
from ops.node_process import NodeProcess

NEWCOMERS: Final = 100
"""Names of those that come in, by turns."""
NEWCOMER_PAUSE_S: Final = 0.25
NEWCOMER_S_MAX: Final = 20.0
"""How long an honest terminal tries to come in."""

_SAMPLE_S: Final = 0.1


class Felt(Struct, frozen=True):
    """What well-behaved terminals felt.

    Attributes:
      taps: all of them posted.
      p50_ms: from the time a tap was meant to be sent until its answer.
      p99_ms: the same.
    """

    taps: int
    p50_ms: float
    p99_ms: float


def newcomer(number: int) -> str:
    """Return the name of an honest terminal that comes in."""
    return f"NEWCOMER-{number % NEWCOMERS}"


class Beside:
    """The well-behaved: terminals that tap at a fixed rate, and some that come in anew.

    Args:
      bench: where it takes place.
      node: that is attacked.
      lines: the terminals.
      rate_per_s: of all their taps together.

    Attributes:
      peak_bytes: the most memory that the node had while they tapped last.
    """

    def __init__(
        self, bench: Bench, node: NodeProcess, lines: list[Line], rate_per_s: float
    ) -> None:
        self._bench, self._node, self._lines = bench, node, lines
        self._rate_per_s = rate_per_s
        self._seed = self._newcomers = 0
        self._newcomers_s: list[float] = []
        self.peak_bytes = 0

    def feel(self, seconds: float) -> tuple[Felt, list[float]]:
        """Tap for so long.

        Returns what was felt, and how many seconds each newcomer needed to come in meanwhile.

        Raises:
          ExceptionGroup: of LineBroken; a tap was not posted.
        """
        self._seed += 1
        self._newcomers_s = []
        self.peak_bytes = 0
        each = max(1, round(seconds * self._rate_per_s / len(self._lines)))
        frames = self._bench.frames(
            self._lines, count=each, taps_per_frame=1, among=self._bench.plan.small, seed=self._seed
        )
        data = self._bench.folder(self._bench.plan.small)
        load, _ = self._bench.run(data, self._node, partial(self._tap, frames))
        latencies = load.latencies_ms
        felt = Felt(load.taps, percentile(latencies, 0.5), percentile(latencies, 0.99))
        return felt, self._newcomers_s

    async def _tap(self, frames: list[list[bytes]]) -> Load:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._watch)
            nursery.start_soon(self._come_in)
            load = await open_loop(
                self._lines,
                frames,
                rate_per_s=self._rate_per_s,
                chance=random.Random(self._seed),
            )
            nursery.cancel_scope.cancel()
        return load

    async def _watch(self) -> None:
        while True:
            self.peak_bytes = max(self.peak_bytes, self._node.rss_bytes())
            await trio.sleep(_SAMPLE_S)

    async def _come_in(self) -> None:
        while True:
            began_s = time.perf_counter()
            self._newcomers += 1
            name = newcomer(self._newcomers)
            with trio.move_on_after(NEWCOMER_S_MAX):
                while not await self._try_to_come_in(name):  # noqa: ASYNC110 there is no event
                    await trio.sleep(NEWCOMER_PAUSE_S)
            self._newcomers_s.append(time.perf_counter() - began_s)
            await trio.sleep(NEWCOMER_PAUSE_S)

    async def _try_to_come_in(self, name: str) -> bool:
        try:
            peer = await Peer.connect(self._node.url)
        except Ended:
            return False
        try:
            await peer.shake_hands(name, KEY)
        except Ended:
            return False
        finally:
            peer.close()
        return True
