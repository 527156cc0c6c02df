"""What a supervisor remembers of its children: a post for each static one, a crowd for the rest."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable
from itertools import islice
from typing import Final

import trio

from actors.runtime.budget import Budget
from actors.runtime.spec import ChildSpec, Life, Restart
from actors.runtime.trace import CrowdTrace, End, Ending, Node, State

HISTORY_MAX: Final = 16
"""Ends kept for each static child, and for all dynamic ones together."""

LISTED_MAX: Final = 100
"""Dynamic children that a snapshot names: enough to look at, however many there are."""


class Post:
    """The post of a static child; one life after the other holds it.

    Attributes:
      life: the present life, or the last one.
      wanted: whether the post should be held.
      settled: whether those behind it may start: its child was ready once, or is not wanted.
      due_s: when the next life may start.
      budget: the restarts it has left.
      history: how the last lives ended.
    """

    __slots__ = ("_lives", "budget", "due_s", "history", "life", "settled", "spec", "wanted")

    def __init__(self, spec: ChildSpec) -> None:
        self.spec = spec
        self.history: deque[End] = deque(maxlen=HISTORY_MAX)
        self._lives = 0
        self.open()

    def open(self) -> None:
        """Begin anew, with a fresh budget; what is known of earlier lives stays."""
        self.budget = Budget(self.spec.intensity, self.spec.backoff)
        self.life: Life | None = None
        self.wanted = True
        self.settled = False
        self.due_s = -math.inf

    def reopen(self, due_s: float) -> None:
        """Have the post filled again from `due_s` on, unless its child is temporary."""
        self.wanted = self.spec.restart is not Restart.TEMPORARY
        self.settled = not self.wanted
        self.due_s = due_s

    def give_up(self) -> None:
        """Leave the post empty; those behind it need not wait for it."""
        self.wanted = False
        self.settled = True

    @property
    def vacant(self) -> bool:
        """Whether nobody holds the post."""
        return self.life is None or not self.life.alive

    def fill(self, on_ready: Callable[[], None]) -> Life:
        """Put a new life on the post."""
        self._lives += 1
        self.life = Life(self.spec, trio.Event(), on_ready)
        return self.life

    def trace(self) -> Node:
        """Return the post as data."""
        restarts, history = max(self._lives - 1, 0), tuple(self.history)
        if self.life is None:
            return self.spec.trace(State.STOPPED, 0.0, restarts, history)
        state = self.life.state
        if self.wanted and self.vacant:
            state = State.BACKING_OFF
        return self.spec.trace(state, self.life.since_s, restarts, history)


class Crowd:
    """The dynamic children: counted, never kept once they ended.

    Attributes:
      lives: those that have a task, in the order of their start (a dict, so that a run can be
        repeated).
      admits: whether new ones are taken.
      recent: the last ends that were a crash or a kill.
    """

    def __init__(self, lives_max: int) -> None:
        self.lives: dict[Life, None] = {}
        self.admits = False
        self.recent: deque[End] = deque(maxlen=HISTORY_MAX)
        self._lives_max = lives_max
        # One event tells all of them to stop: they are stopped together, and it costs nothing
        # for each.
        self._stopping = trio.Event()
        self._started = self._refused = self._crashed = self._killed = 0

    def open(self) -> None:
        """Take children, those that come now under an event that is not set."""
        self._stopping = trio.Event()
        self.admits = True

    def join(self, spec: ChildSpec) -> Life | None:
        """Take a child, or return None if there is no room."""
        if not self.admits or len(self.lives) >= self._lives_max:
            self._refused += 1
            return None
        self._started += 1
        life = Life(spec, self._stopping, _nobody_waits)
        self.lives[life] = None
        return life

    def leave(self, life: Life, end: End) -> None:
        """Count the end of a child."""
        del self.lives[life]
        self._crashed += end.ending is Ending.CRASHED
        self._killed += end.ending is Ending.KILLED
        if end.ending in (Ending.CRASHED, Ending.KILLED):
            self.recent.append(end)

    def trace(self) -> CrowdTrace:
        """Return the counts and the last ends."""
        return CrowdTrace(
            live=len(self.lives),
            started=self._started,
            crashed=self._crashed,
            killed=self._killed,
            refused=self._refused,
            recent=tuple(self.recent),
        )

    def nodes(self) -> tuple[Node, ...]:
        """Return the first of them, one by one."""
        lives = islice(self.lives, LISTED_MAX)
        return tuple(life.spec.trace(life.state, life.since_s) for life in lives)


def _nobody_waits() -> None:
    """Take the readiness of a dynamic child: no sibling waits for it."""
