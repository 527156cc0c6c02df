"""The command desk: tells terminals what they are to do, and hears what became of it.

Where a command stands is on disk; what is in memory is who still has to hear of it. A terminal is
told all its open commands whenever it connects, so nothing is lost with a connection; carrying one
out twice is prevented by the terminal, which knows it by its id.
"""

from __future__ import annotations

from collections.abc import Iterable

import trio
from msgspec import Struct

from actors import limits
from actors.fleet.registry import Link
from engine.fleet.commands import OPEN_STATES, CommandState, advanced
from protocol.messages import Command, Report
from storage.fleet.command_store import CommandRecord, Move


class Told(Struct, frozen=True):
    """What a terminal told of a command."""

    terminal: str
    id: str
    state: CommandState
    text: str


class CommandDesk:
    """Keeps the commands that are open somewhere.

    Attributes:
      reports: what terminals told and is not on disk yet, by terminal and command.
    """

    def __init__(self) -> None:
        self.reports: dict[tuple[str, str], Told] = {}
        self._open: dict[str, dict[int, CommandRecord]] = {}

    def load(self, standing: Iterable[tuple[str, CommandRecord]]) -> None:
        """Take the commands that are open at terminals."""
        self._open = {}
        for terminal, record in standing:
            self._open.setdefault(terminal, {})[record.number] = record

    def add(self, record: CommandRecord, terminals: Iterable[str]) -> None:
        """Take a command that was accepted; the caller has it told to each link."""
        for terminal in terminals:
            self._open.setdefault(terminal, {})[record.number] = record

    def open_at(self, terminal: str) -> int:
        """Return how many commands a terminal has before it."""
        return len(self._open.get(terminal, ()))

    def tell(self, link: Link, record: CommandRecord) -> None:
        """Tell a terminal of a command."""
        link.peer.tell(Command(record.id, record.body, record.expires_ms))

    def tell_all(self, link: Link, now_ms: int) -> None:
        """Tell a terminal all that it has before it."""
        link.told_s = trio.current_time()
        for record in self._open.get(link.record.terminal, {}).values():
            if record.expires_ms > now_ms:
                self.tell(link, record)

    def remind(self, link: Link, now_ms: int) -> None:
        """Tell a terminal again, if it has had time enough to say something."""
        if (
            link.record.terminal in self._open
            and trio.current_time() - link.told_s >= limits.RESEND_S
        ):
            self.tell_all(link, now_ms)

    def report(self, link: Link, message: Report) -> None:
        """Take what a terminal tells of a command; what it told before is in it."""
        key = link.record.terminal, message.id
        state = CommandState(message.state)
        before = self.reports.get(key)
        if before is None and len(self.reports) >= limits.REPORTS_WAITING_MAX:
            # It will be told again, and tell again.
            return
        if before is None or advanced(before.state, state) is state:
            self.reports[key] = Told(*key, state, message.text)

    def take_reports(self) -> list[Told]:
        """Return what terminals told since the last call."""
        told = list(self.reports.values())
        self.reports.clear()
        return told

    def moved(self, moves: Iterable[Move]) -> None:
        """Let go of the commands that have come to an end at terminals."""
        for terminal, command, place in moves:
            if place.state not in OPEN_STATES and terminal in self._open:
                self._open[terminal].pop(command, None)
                if not self._open[terminal]:
                    del self._open[terminal]

    def overdue(self, now_ms: int) -> list[tuple[str, int]]:
        """Return the terminals and numbers of commands whose time is over."""
        return [
            (terminal, number)
            for terminal, records in self._open.items()
            for number, record in records.items()
            if record.expires_ms <= now_ms
        ]
