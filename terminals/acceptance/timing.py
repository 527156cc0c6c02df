"""When something happened, by a terminal whose clock may be wrong, or may not know yet."""

from __future__ import annotations

from terminals.acceptance.rows import Stamp, Tap
from terminals.clock import NodeClock


class Timing:
    """Stamps what happens, and finds the node's time of it once the node has told its clock.

    Args:
      clock: the node's, as it is estimated.
      run: of the program, as the journal counts them.
      not_before_ms: when the node was last heard of, by its clock: it is later now. A terminal
        whose own clock forgets the time without power goes on from there.
    """

    def __init__(self, clock: NodeClock, run: int, not_before_ms: int = 0) -> None:
        self._clock = clock
        self._run = run
        self._ahead_ms = not_before_ms - clock.steady_s() * 1000

    def now_ms(self) -> int:
        """Return the best that is known of what time it is."""
        clock = self._clock
        if clock.synchronised:
            return clock.corrected_ms()
        return max(clock.own_ms(), round(clock.steady_s() * 1000 + self._ahead_ms))

    def stamp(self) -> Stamp:
        """Return what is known of this moment."""
        clock = self._clock
        node_ms = clock.corrected_ms() if clock.synchronised else -1
        return Stamp(clock.own_ms(), node_ms, self._run, round(clock.steady_s() * 1000))

    def age_ms(self, stamp: Stamp) -> int:
        """Return how long ago something was, by whatever clock knows it best; below zero: none."""
        clock = self._clock
        if stamp.run == self._run:
            return round(clock.steady_s() * 1000) - stamp.steady_ms
        if stamp.node_ms >= 0 and clock.synchronised:
            return clock.corrected_ms() - stamp.node_ms
        return clock.own_ms() - stamp.own_ms

    def told_ms(self, tap: Tap) -> int:
        """Return the time that the node is told of a tap.

        What was stamped before the node told its clock is corrected by what is known now: by the
        steady clock within the same run of the program; across runs by how wrong the own clock is
        now, for nobody knows how wrong it was.
        """
        stamp, clock = tap.stamp, self._clock
        if tap.at_ms >= 0:
            return tap.at_ms
        if stamp.node_ms >= 0:
            return stamp.node_ms
        if stamp.run == self._run:
            since_ms = round(clock.steady_s() * 1000) - stamp.steady_ms
            return max(0, clock.corrected_ms() - since_ms)
        return max(0, stamp.own_ms + clock.offset_ms())
