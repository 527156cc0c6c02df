"""What time it is at the node, by a terminal whose own clock may be wrong.

Each exchange with the node tells its clock, and is as wrong as half of the round trip at most. Of
the last exchanges the one with the shortest round trip counts (as in NTP, RFC 5905, section 10).
Between exchanges time goes on with a clock that nobody sets, so setting the terminal's own clock,
forward or back, does not touch the estimate; that it was set is noticed.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Final, NamedTuple

import trio

from terminals.messages import Pulse

EXCHANGES_KEPT: Final = 8
"""Two or three minutes of heartbeats; two quartz clocks part by ten milliseconds in them."""

JUMP_MS: Final = 500
"""The own clock was set if it went on by so much more, or less, than time did. A clock that is
slewed gains one in two thousand, so it takes a quarter of an hour between two looks to be taken
for set."""

PULSES_AWAITED_MAX: Final = 16
"""Heartbeats without a pulse: a connection with more of them is dead."""


class Exchange(NamedTuple):
    """One look at the node's clock: how long it took, and node's clock less the steady one."""

    round_trip_s: float
    ahead_ms: float


class NodeClock:
    """Estimates the node's clock.

    Args:
      own_ms: the terminal's clock, in milliseconds since 1970 (UTC); it may be set.
      steady_s: seconds on a clock that nobody sets. On a terminal that sleeps it has to go on
        meanwhile.
      on_jump: is told by how many milliseconds the own clock was set.

    Attributes:
      jumps: how often the own clock was set.
    """

    def __init__(
        self,
        own_ms: Callable[[], int],
        *,
        steady_s: Callable[[], float] = trio.current_time,
        on_jump: Callable[[int], None] | None = None,
    ) -> None:
        self.jumps = 0
        self._own_ms = own_ms
        self._steady_s = steady_s
        self._on_jump = on_jump
        self._exchanges: deque[Exchange] = deque(maxlen=EXCHANGES_KEPT)
        self._awaited: deque[tuple[int, float]] = deque(maxlen=PULSES_AWAITED_MAX)
        self._own_ahead_ms: float | None = None

    @property
    def synchronised(self) -> bool:
        """Whether the node has ever told its clock."""
        return bool(self._exchanges)

    @property
    def uncertainty_ms(self) -> float | None:
        """How wrong the estimate may be, either way, or None if there is none."""
        return self._best().round_trip_s * 500 if self._exchanges else None

    def own_ms(self) -> int:
        """Return the terminal's own clock."""
        return self._own_ms()

    def corrected_ms(self) -> int:
        """Return the node's clock as it is estimated; the own one while the node told nothing."""
        if not self._exchanges:
            return self._own_ms()
        return round(self._steady_s() * 1_000 + self._best().ahead_ms)

    def offset_ms(self) -> int:
        """Return by how much the node's clock is ahead of the own one, as far as is known."""
        return self.corrected_ms() - self._own_ms()

    def begin(self) -> None:
        """Forget what was under way: another connection begins."""
        self._awaited.clear()

    def heartbeat(self) -> int:
        """Return what a heartbeat that is sent now has to say, and await its pulse."""
        at_ms = self._own_ms()
        self._awaited.append((at_ms, self._steady_s()))
        return at_ms

    def pulse(self, pulse: Pulse) -> None:
        """Take the answer to a heartbeat; one that none was sent for is passed over."""
        while self._awaited:
            at_ms, sent_s = self._awaited.popleft()
            if at_ms == pulse.at_ms:
                self.exchange(sent_s, pulse.server_time_ms)
                return

    def exchange(self, sent_s: float, server_time_ms: int) -> None:
        """Take what the node's clock was between `sent_s`, on the steady clock, and now."""
        now_s = self._steady_s()
        ahead_ms = server_time_ms - (sent_s + now_s) * 500
        self._exchanges.append(Exchange(now_s - sent_s, ahead_ms))

    def steady_s(self) -> float:
        """Return the seconds of the steady clock."""
        return self._steady_s()

    def look(self) -> bool:
        """Look whether the own clock was set since the last look, and tell whoever should know."""
        ahead_ms = self._own_ms() - self._steady_s() * 1_000
        before_ms, self._own_ahead_ms = self._own_ahead_ms, ahead_ms
        if before_ms is None or abs(ahead_ms - before_ms) <= JUMP_MS:
            return False
        self.jumps += 1
        if self._on_jump is not None:
            self._on_jump(round(ahead_ms - before_ms))
        return True

    def _best(self) -> Exchange:
        return min(self._exchanges)
