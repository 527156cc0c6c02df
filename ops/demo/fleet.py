"""The terminals of the demo: real clients over real websockets, and all that they are answered."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from operator import gt
from typing import Final

import msgspec
import trio
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from msgspec import Struct

from ops.demo.audit import Answer, Identity
from ops.demo.city import Planned
from terminals.client import ClientOptions, TerminalClient
from terminals.link import Connect
from terminals.messages import Outcome
from terminals.websocket import websocket

OPTIONS: Final = ClientOptions(software="jakarta-one demo", backoff_s_max=0.4)
"""A demo has no minute to spare: terminals look for their node more often than in the field."""

TICK_S: Final = 0.002
"""Taps due within this time are handed over together, each to its own terminal."""


class Wait(Struct, frozen=True, gc=False):
    """When a tap was meant to be sent, and when it was answered, on trio's clock."""

    due_s: float
    answered_s: float


class Fleet:
    """Terminals that send what was planned.

    Attributes:
      answers: every acknowledged transaction by its identity.
      waits: of the taps that `play` sent, in the order of their answers.
      sent: taps that `play` has handed to their terminals so far.

    Args:
      url: where the node is.
      keys: the key of each terminal.
      clock_ms: their clock.
      random: gives numbers from 0 to 1; spreads new connections.
      connect: opens a connection.
    """

    def __init__(
        self,
        url: str,
        keys: Mapping[str, Ed25519PrivateKey],
        *,
        clock_ms: Callable[[], int],
        random: Callable[[], float],
        connect: Connect = websocket,
    ) -> None:
        self.answers: dict[Identity, Answer] = {}
        self.waits: list[Wait] = []
        self.sent = 0
        self._due_s: dict[Identity, float] = {}
        self._clients = {
            terminal: TerminalClient(
                url,
                terminal,
                key,
                clock_ms=clock_ms,
                random=random,
                connect=connect,
                options=OPTIONS,
                on_outcome=partial(self._answered, terminal),
            )
            for terminal, key in keys.items()
        }

    def __len__(self) -> int:
        """Count the terminals."""
        return len(self._clients)

    @property
    def resent(self) -> int:
        """Transactions sent again, each time counted."""
        return sum(client.statistics.resent for client in self._clients.values())

    @property
    def repeated(self) -> int:
        """Answers to what had been decided before."""
        return sum(client.statistics.repeated for client in self._clients.values())

    def sessions(self) -> list[int]:
        """Return how many connections each terminal has made."""
        return [client.statistics.sessions for client in self._clients.values()]

    async def start(self, nursery: trio.Nursery) -> None:
        """Connect all terminals; they run in the nursery until `close`.

        Raises:
          ExceptionGroup: of a TerminalError: the node will not have one of them.
        """
        async with trio.open_nursery() as opening:
            for client in self._clients.values():
                nursery.start_soon(client.run)
                opening.start_soon(client.wait_ready)

    async def wait_back(self, since: Sequence[int]) -> None:
        """Wait until every terminal has a newer connection than when `sessions` told these."""
        while True:
            await trio.sleep(TICK_S)
            if all(map(gt, self.sessions(), since)):
                return

    async def submit(self, planned: Iterable[Planned]) -> None:
        """Send transactions as fast as the node takes them; wait for all answers."""
        batches: dict[str, list[Planned]] = {}
        for plan in planned:
            batches.setdefault(plan.terminal, []).append(plan)
        async with trio.open_nursery() as nursery:
            self._hand_over(nursery, batches)

    async def play(self, taps: Sequence[Planned], *, speed: float, halfway: trio.Event) -> None:
        """Send taps open loop, each at its time however the node does; wait for all answers.

        Args:
          taps: in the order of time.
          speed: how many times faster than the terminals' clocks.
          halfway: set when half of them are sent.
        """
        began_s = trio.current_time()
        due_s = [began_s + (tap.at_ms - taps[0].at_ms) / 1000 / speed for tap in taps]
        async with trio.open_nursery() as nursery:
            while self.sent < len(taps):
                until = bisect_right(due_s, trio.current_time())
                batches: dict[str, list[Planned]] = {}
                for at in range(self.sent, until):
                    tap = taps[at]
                    batches.setdefault(tap.terminal, []).append(tap)
                    self._due_s[tap.terminal, tap.counter] = due_s[at]
                self._hand_over(nursery, batches)
                self.sent = until
                if 2 * until >= len(taps):
                    halfway.set()
                await trio.sleep(TICK_S)

    async def close(self) -> None:
        """Disconnect all terminals in good order."""
        async with trio.open_nursery() as closing:
            for client in self._clients.values():
                closing.start_soon(client.aclose)

    def _hand_over(self, nursery: trio.Nursery, batches: Mapping[str, Sequence[Planned]]) -> None:
        # What a terminal is handed it sends by itself, in order, and again if need be: nobody
        # here waits for an answer before the next tap.
        for terminal, batch in batches.items():
            transactions = [
                (plan.counter, plan.at_ms, msgspec.to_builtins(plan.intent)) for plan in batch
            ]
            nursery.start_soon(self._clients[terminal].submit, transactions)

    def _answered(self, terminal: str, outcome: Outcome, _latency_s: float) -> None:
        identity = (terminal, outcome.counter)
        # A conflict has no reason of its own, and is none that the journal could hold.
        reason = outcome.reason if outcome.result != "conflict" else outcome.result
        self.answers[identity] = Answer(outcome.position, reason)
        due_s = self._due_s.pop(identity, None)
        if due_s is not None:
            self.waits.append(Wait(due_s, trio.current_time()))
