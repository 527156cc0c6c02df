"""The terminals of the demo: real clients over real websockets, and all that they are answered.

They send open loop. Only a card waits for itself: nobody goes on before the gate has opened, so
what a card does next is handed over when the node has answered what it did before.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
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
        # By card, what waits for an answer to its last tap; by identity, the card.
        self._behind: dict[str, deque[Planned]] = {}
        self._cards: dict[Identity, str] = {}
        self._go_on: Callable[[Planned], None] | None = None
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

            def go_on(tap: Planned) -> None:
                self._hand_over(nursery, {tap.terminal: [tap]})

            self._go_on = go_on
            while self.sent < len(taps):
                until = bisect_right(due_s, trio.current_time())
                due = slice(self.sent, until)
                self._hand_over(nursery, self._free(taps[due], due_s[due]))
                self.sent = until
                if 2 * until >= len(taps):
                    halfway.set()
                await trio.sleep(TICK_S)

    async def close(self) -> None:
        """Disconnect all terminals in good order."""
        async with trio.open_nursery() as closing:
            for client in self._clients.values():
                closing.start_soon(client.aclose)

    def _free(self, taps: Sequence[Planned], due_s: Sequence[float]) -> dict[str, list[Planned]]:
        """Return, by terminal, those of the taps that are due whose cards wait for nothing."""
        batches: dict[str, list[Planned]] = {}
        for tap, at_s in zip(taps, due_s, strict=True):
            self._due_s[tap.terminal, tap.counter] = at_s
            if self._is_first(tap):
                batches.setdefault(tap.terminal, []).append(tap)
        return batches

    def _is_first(self, tap: Planned) -> bool:
        """Tell whether a tap's card waits for nothing; otherwise the tap is handed over later."""
        card = tap.intent.card
        self._cards[tap.terminal, tap.counter] = card
        if card in self._behind:
            self._behind[card].append(tap)
            return False
        self._behind[card] = deque()
        return True

    def _hand_over(self, nursery: trio.Nursery, batches: Mapping[str, Sequence[Planned]]) -> None:
        # What a terminal is handed it sends by itself, in order, and again if need be: no terminal
        # waits for an answer before its next tap.
        for terminal, batch in batches.items():
            transactions = [
                (
                    plan.counter,
                    plan.at_ms,
                    msgspec.to_builtins(plan.intent, builtin_types=(bytes,)),
                )
                for plan in batch
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
        card = self._cards.pop(identity, None)
        if card is None:
            return
        if self._behind[card]:
            assert self._go_on is not None, "taps are played"
            self._go_on(self._behind[card].popleft())
        else:
            del self._behind[card]
