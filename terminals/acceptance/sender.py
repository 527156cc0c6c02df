"""Tells the node of what the terminal has done, in order, whenever there is a connection."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeAlias

import trio

from engine.chips import UNPROVED
from protocol import limits
from terminals.acceptance.certifier import Certifier
from terminals.acceptance.journal import TapJournal
from terminals.acceptance.rows import Tap
from terminals.acceptance.timing import Timing
from terminals.client import TerminalClient
from terminals.messages import Outcome
from terminals.nursery import flat_nursery
from terminals.part import Offload, in_thread

OnResult: TypeAlias = Callable[[Tap, str], None]

AT_ONCE: Final = 4 * limits.TRANSACTIONS_PER_FRAME_MAX
"""Taps under way at once: a few frames, so that the disk is not what a backlog waits for."""

LOOK_S: Final = 5.0
"""Longest pause before it looks again whether there is something to send."""


class Sender:
    """Sends the journal of a terminal, over one client after the other.

    Args:
      journal: what there is to send.
      timing: finds the time that the node is told.
      offload: where the disk is read and written.
      on_result: is told each tap that the node has answered.
      certifier: asks about closed shifts over the same clients.
    """

    def __init__(
        self,
        journal: TapJournal,
        timing: Timing,
        *,
        offload: Offload = in_thread,
        on_result: OnResult | None = None,
        certifier: Certifier | None = None,
    ) -> None:
        self._client: TerminalClient | None = None
        self._journal = journal
        self._timing = timing
        self._offload = offload
        self._on_result = on_result
        self._certifier = certifier
        self._more = trio.Event()
        self._settled = trio.Event()

    @property
    def online(self) -> bool:
        """Whether there is a connection on which the node has let the terminal in."""
        return self._client is not None and self._client.connected

    def wake(self) -> None:
        """Say that there is something to send. To be called in trio's thread."""
        self._more.set()

    async def run(self, client: TerminalClient) -> None:
        """Send over a client, which runs, until cancelled.

        Raises:
          TerminalError: the client has ended.
          StorageError: the disk failed.
        """
        await client.wait_ready()
        # A node that knows more of this terminal than its journal: the disk was lost or replaced.
        last = client.last_counter
        now_ms = self._timing.now_ms()
        await self._offload(lambda: self._journal.follow(last, now_ms))
        self._client = client
        try:
            async with flat_nursery() as nursery:
                if self._certifier is not None:
                    nursery.start_soon(self._certifier.run, client)
                await self._send_all(client)
        finally:
            self._client = None

    async def wait_settled(self, counter: int) -> Tap | None:
        """Wait until the node has answered a tap, and return it; None: it is there no more."""
        while True:
            tap = self._journal.tap(counter)
            if tap is None or tap.result:
                return tap
            await self._settled.wait()

    async def wait_empty(self) -> None:
        """Wait until the node has all there is."""
        while self._journal.backlog:
            await self._settled.wait()

    async def _send_all(self, client: TerminalClient) -> None:
        while True:
            self._more = trio.Event()
            taps = await self._offload(lambda: self._journal.unsettled(AT_ONCE))
            if taps:
                await self._send(client, taps)
                continue
            with trio.move_on_after(LOOK_S):
                await self._more.wait()

    async def _send(self, client: TerminalClient, taps: list[Tap]) -> None:
        told_ms = {tap.counter: self._timing.told_ms(tap) for tap in taps if tap.at_ms < 0}
        if told_ms:
            fixed = await self._offload(lambda: self._journal.fix_times(told_ms))
            by_counter = {tap.counter: tap for tap in fixed}
            taps = [by_counter.get(tap.counter, tap) for tap in taps]
        outcomes = await client.submit([(tap.counter, tap.at_ms, tap.intent) for tap in taps])
        results = {outcome.counter: _result(outcome) for outcome in outcomes}
        now_ms = self._timing.now_ms()
        await self._offload(lambda: self._journal.settle(results, now_ms))
        settled, self._settled = self._settled, trio.Event()
        settled.set()
        if self._certifier is not None:
            self._certifier.wake()
        if self._on_result is not None:
            for tap in taps:
                self._on_result(tap, results[tap.counter])


def _result(outcome: Outcome) -> str:
    """Return what is written down of an outcome: also of an advice that no chip has proved."""
    unproved = [str(reason) for reason in outcome.exceptions if reason in UNPROVED]
    reason = outcome.reason or ", ".join(unproved)
    return f"{outcome.result}: {reason}" if reason else outcome.result
