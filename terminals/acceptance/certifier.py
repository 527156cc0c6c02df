"""Closes shifts, and asks the node what it has of each once all that was done in it is settled."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Final, TypeAlias

import trio

from terminals.acceptance.certificate import (
    Certificate,
    Results,
    certificate,
    parts,
    question,
    untold_after,
)
from terminals.acceptance.journal import TapJournal
from terminals.acceptance.rows import Shift
from terminals.acceptance.timing import Timing
from terminals.chip_answers import ShiftFound
from terminals.client import TerminalClient
from terminals.errors import NodeMisbehaved, NodeRefused, TerminalError
from terminals.messages import Failed
from terminals.part import Offload, in_thread, untold

OnCertificate: TypeAlias = Callable[[Certificate], None]

LOOK_S: Final = 30.0
"""Longest pause before it looks again whether a shift was closed."""
AGAIN_S: Final = 300.0
"""Before a node that gives no answer about a shift is asked again."""
_READ_AT_ONCE: Final = 1_000
"""Taps that are read with one look at the disk."""


class Certifier:
    """Certifies the shifts of a terminal, over one client after the other.

    A certificate is told before it is written down that there is one: it may be told twice, where
    the program ends in between, but never not at all.

    Args:
      terminal: its name.
      journal: where its shifts are.
      timing: tells what time it is.
      offload: where the disk is read and written.
      on_certificate: is told each certificate.
      note: takes one line for people, where something is wrong.
    """

    def __init__(
        self,
        terminal: str,
        journal: TapJournal,
        timing: Timing,
        *,
        on_certificate: OnCertificate,
        offload: Offload = in_thread,
        note: Callable[[str], None] = untold,
    ) -> None:
        self._terminal = terminal
        self._journal = journal
        self._timing = timing
        self._offload = offload
        self._on_certificate = on_certificate
        self._note = note
        self._more = trio.Event()
        self._certified = trio.Event()

    def wake(self) -> None:
        """Say that there may be something to ask. To be called in trio's thread."""
        self._more.set()

    async def close(self) -> Shift:
        """Close the shift that is open, and return it; its certificate follows.

        Raises:
          StorageError: the disk does not take it; it is not closed then.
        """
        now_ms = self._timing.now_ms()
        closed = await self._offload(lambda: self._journal.close_shift(now_ms))
        self.wake()
        return closed

    async def wait_certified(self) -> None:
        """Wait until each closed shift has its certificate."""
        while self._journal.waiting_shifts:
            await self._certified.wait()

    async def run(self, client: TerminalClient) -> None:
        """Certify over a client, which runs, until cancelled or until it has ended.

        Raises:
          StorageError: the disk failed.
        """
        while True:
            self._more = trio.Event()
            try:
                await self.certify(client)
            except (NodeRefused, NodeMisbehaved) as error:
                self._note(f"a closed shift has no certificate yet: {error}")
                await trio.sleep(AGAIN_S)
                continue
            except TerminalError:
                # Whoever runs the client is told by itself.
                return
            with trio.move_on_after(LOOK_S):
                await self._more.wait()

    async def certify(self, client: TerminalClient) -> None:
        """Certify each closed shift that is settled, the oldest first.

        Raises:
          NodeRefused, NodeMisbehaved: the node gives no answer about one.
          TerminalError: the client has ended.
          StorageError: the disk failed.

        Cancellation: what was told before is certified, but for the last, which may be told again.
        """
        for shift in await self._offload(self._journal.shifts_to_certify):
            answers = [await self._part(client, shift, *part) for part in parts(shift)]
            results = await self._offload(partial(self._results, shift))
            attempts = self._journal.attempts()
            made = certificate(self._terminal, shift, answers, results, attempts)
            self._on_certificate(made)
            await self._note_certified(made)

    async def _note_certified(self, made: Certificate) -> None:
        now_ms = self._timing.now_ms()
        journal = self._journal
        await self._offload(lambda: journal.certify(made.number, now_ms, complete=made.complete))
        certified, self._certified = self._certified, trio.Event()
        certified.set()

    async def _part(
        self, client: TerminalClient, shift: Shift, first: int, last: int
    ) -> ShiftFound:
        """Ask about a part of a shift: as often as it takes to hear of each gap."""
        found = await self._ask(client, shift, first, last)
        while (after := untold_after(found)) is not None:
            more = await self._ask(client, shift, after + 1, last)
            if not more.gaps:
                break
            found = replace(found, gaps=(*found.gaps, *more.gaps))
        return found

    async def _ask(self, client: TerminalClient, shift: Shift, first: int, last: int) -> ShiftFound:
        answer = await client.query(question(self._terminal, shift, first, last))
        if isinstance(answer, Failed):
            raise NodeRefused(answer.code, answer.field, answer.text)
        if not isinstance(answer, ShiftFound):
            raise NodeMisbehaved(f"did not ask for {type(answer).__name__.lower()}")
        return answer

    def _results(self, shift: Shift) -> Results:
        """Read what the node said of the taps of a shift, as far as they are kept."""
        results, first = Results(), shift.first
        while taps := self._journal.taps(first, shift.last, _READ_AT_ONCE):
            for tap in taps:
                results.add(tap)
            first = taps[-1].counter + 1
        return results
