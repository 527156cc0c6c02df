"""A hall with a real node, and terminals of the real program at real readers."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Final

import trio

from ops.node_process import NodeProcess
from ops.remote import Remote
from ops.rulebook import NOWHERE
from ops.terminal.build import Outside, Parts, built, opened_journal
from ops.virtual_card.card import VirtualCard
from ops.virtual_card.vpcd import VpcdSlot
from terminals import intents
from terminals.acceptance.point import Point
from terminals.acceptance.visit import Taken, Turned, Visit
from terminals.keys import new_key
from terminals.messages import Balance
from terminals.pcsc.watch import named
from tests.e2e.city import officer_at, terminal_at, until
from tests.readers.pcsc_stack import PcscStack
from tests.terminals.acceptance.lab import LAW, MASTERS

WAIT_S_MAX: Final = 20.0


class Screen:
    """Hands on what came of each visit."""

    def __init__(self) -> None:
        self._told, self._tell = trio.open_memory_channel[tuple[str, Visit]](10_000)
        self.took_s: list[float] = []

    def show(self, reader: str, lines: Sequence[str]) -> None:
        """Show nothing."""

    def visited(self, reader: str, visit: Visit, lines: Sequence[str], took_s: float) -> None:
        assert lines
        self.took_s.append(took_s)
        self._told.send_nowait((reader, visit))

    async def next(self) -> tuple[str, Visit]:
        with trio.fail_after(WAIT_S_MAX):
            return await self._tell.receive()

    async def taken(self) -> Taken:
        _, visit = await self.next()
        assert isinstance(visit, Taken), visit
        return visit

    async def turned(self) -> Turned:
        _, visit = await self.next()
        assert isinstance(visit, Turned), visit
        return visit


class Hall:
    """A node, and the readers that terminals are put together with.

    Args:
      stack: of readers.
      folder: where everything is kept.
      options: more of `serve`.
    """

    def __init__(self, stack: PcscStack, folder: Path, options: Sequence[str | Path] = ()) -> None:
        self.stack = stack
        self.folder = folder
        self.notes: list[str] = []
        self.node = NodeProcess.start(folder / "node", dev=True, options=options)

    @asynccontextmanager
    async def terminal(self, point: Point, *slots: int, screen: Screen) -> AsyncIterator[Parts]:
        """Run a terminal at these readers, until the node has all that it did."""
        folder = self.folder / point.terminal
        outside = Outside(
            chosen=named(*(self.stack.readers[slot] for slot in slots)),
            screen=screen,
            needs=(),
            note=self.notes.append,
        )
        key = new_key()
        remote = Remote(self.node.url, point.terminal, key)
        with opened_journal(folder) as journal:
            parts = built(
                point,
                remote,
                journal,
                folder,
                keys=MASTERS,
                law=LAW,
                network=NOWHERE,
                outside=outside,
            )
            async with trio.open_nursery() as nursery:
                nursery.start_soon(parts.terminal.run)
                yield parts
                await told(parts)
                nursery.cancel_scope.cancel()

    @contextmanager
    def card_at(self, slot: int, card: VirtualCard) -> Iterator[None]:
        """Present a card at a reader."""
        presented = VpcdSlot(card, port=self.stack.port(slot))
        thread = threading.Thread(target=presented.run, daemon=True)
        thread.start()
        try:
            yield
        finally:
            presented.stop()
            thread.join(WAIT_S_MAX)
            assert not thread.is_alive()

    async def issue(self, number: str, value_rp: int, uid: bytes = b"") -> None:
        """Have the node know a card, and what stands on its chip from the beginning."""
        async with officer_at(self.node.url, "operator-ani") as officer:
            wanted = [*intents.issue(number, "stored", "dki")]
            (outcome,) = await officer.client.send([wanted])
            assert outcome.result == "posted", outcome
        if value_rp:
            async with terminal_at(self.node.url, "service-bureau") as bureau:
                first = intents.top_up(number, value_rp, "dki", proof=b"first")
                (outcome,) = await bureau.send([first])
                assert outcome.result == "posted", outcome

    async def balance_rp(self, number: str) -> int:
        """Return what the node has on a card."""
        async with officer_at(self.node.url, "operator-ani2") as officer:
            answer = await officer.ask("balance", 1, number)
            assert isinstance(answer, Balance)
            return answer.balance_rp


async def told(parts: Parts) -> set[str]:
    """Wait until the node has all that a terminal did; return how it found that."""
    await until(lambda: parts.sender.online)
    parts.sender.wake()
    with trio.fail_after(WAIT_S_MAX):
        await parts.sender.wait_empty()
    last = parts.journal.last_counter
    return {tap.result for tap in parts.journal.taps(1, last, last)}
