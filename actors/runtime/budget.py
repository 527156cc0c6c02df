"""How often a child may fail, and how long it waits before it is started again."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import TypeAlias

from msgspec import Struct

Chance: TypeAlias = Callable[[], float]
"""Draws from [0, 1), as `random.Random(seed).random` does."""


class Intensity(Struct, frozen=True):
    """More than `restarts_max` failures within `period_s` are too many.

    Attributes:
      quiet_s: a child that ran for so long starts with a fresh budget and the shortest backoff.
    """

    restarts_max: int = 5
    period_s: float = 60.0
    quiet_s: float = 60.0


class Backoff(Struct, frozen=True):
    """Waits `first_s`, then `factor` times as long after each failure, up to `longest_s`.

    With waits so long that `restarts_max` of them do not fit into the period of the intensity, a
    child is retried for ever: right for a link to a bank, wrong for what the node cannot be
    without.

    Attributes:
      jitter: share of a wait that chance may take away, so that what fell together does not
        come back together.
    """

    first_s: float = 0.1
    factor: float = 2.0
    longest_s: float = 30.0
    jitter: float = 0.25


class Budget:
    """The restarts that one child has left. No child spends those of another.

    Args:
      intensity: how many failures are too many.
      backoff: how long to wait after each.
    """

    __slots__ = ("_backoff", "_failures", "_intensity", "_wait_s")

    def __init__(self, intensity: Intensity, backoff: Backoff) -> None:
        self._intensity = intensity
        self._backoff = backoff
        self._failures: deque[float] = deque(maxlen=intensity.restarts_max + 1)
        self._wait_s = backoff.first_s

    def spend(self, now_s: float, ran_s: float, chance: Chance) -> float | None:
        """Pay for a failure: return the seconds to wait, or None if the budget is spent.

        Args:
          now_s: when the child failed.
          ran_s: how long it had been ready, 0 if it never was.
          chance: for the jitter.
        """
        intensity, backoff = self._intensity, self._backoff
        if ran_s >= intensity.quiet_s:
            self._failures.clear()
            self._wait_s = backoff.first_s
        self._failures.append(now_s)
        too_many = len(self._failures) > intensity.restarts_max
        if too_many and now_s - self._failures[0] <= intensity.period_s:
            return None
        wait_s = min(self._wait_s, backoff.longest_s)
        self._wait_s = min(wait_s * backoff.factor, backoff.longest_s)
        return wait_s * (1 - backoff.jitter * chance())
