"""The reception: how many may be on the doorstep, how fast they are served, how often one may come.

Whoever is not `ready` yet costs the node time and memory, and nobody knows who it is. So those are
bounded apart from the others: the terminals that are in hardly feel who knocks.
"""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from typing import Protocol

import trio

from actors import limits
from actors.turns import Turns
from protocol.limits import SESSIONS_PER_TERMINAL_MAX


class Guest(Protocol):
    """A connection, as the reception sees it."""

    def make_room(self) -> None:
        """End at once, for others that want to come in."""
        ...

    def give_way(self) -> None:
        """End, for this terminal has connected anew."""
        ...


class Reception:
    """Keeps count of the connections of one node.

    Args:
      turns: in which newcomers are served; by default those of `limits`.
    """

    def __init__(self, turns: Turns | None = None) -> None:
        self._turns = turns or Turns(limits.HANDSHAKE_WORK_S, limits.HANDSHAKE_PERIOD_S)
        self._door = trio.Semaphore(limits.LEAVING_AT_ONCE)
        self._newcomers: dict[Guest, None] = {}
        self._sessions: dict[str, dict[Guest, None]] = {}

    def counts(self) -> tuple[int, int]:
        """Return how many are not `ready` yet, and how many are."""
        return len(self._newcomers), sum(map(len, self._sessions.values()))

    def turn(self) -> AbstractAsyncContextManager[None]:
        """Wait until something that a newcomer has sent may be handled."""
        return self._turns.turn()

    async def wait_to_leave(self) -> None:
        """Wait until this connection may be ended: when all are cut off at once, a few a round."""
        async with self._door:
            pass

    def arrive(self, guest: Guest) -> None:
        """Take in a newcomer; the oldest one goes where there are too many."""
        self._newcomers[guest] = None
        while len(self._newcomers) > limits.HANDSHAKES_MAX:
            oldest = next(iter(self._newcomers))
            del self._newcomers[oldest]
            oldest.make_room()

    def greet(self, guest: Guest, terminal: str) -> None:
        """Note that a newcomer has proven to be a terminal; its oldest session may have to go."""
        self._newcomers.pop(guest, None)
        sessions = self._sessions.setdefault(terminal, {})
        sessions[guest] = None
        if len(sessions) > SESSIONS_PER_TERMINAL_MAX:
            oldest = next(iter(sessions))
            del sessions[oldest]
            oldest.give_way()

    def depart(self, guest: Guest, terminal: str) -> None:
        """Forget a connection that has ended; `terminal` may be empty, or not proven."""
        self._newcomers.pop(guest, None)
        sessions = self._sessions.get(terminal, {})
        if guest in sessions:
            del sessions[guest]
            if not sessions:
                del self._sessions[terminal]
