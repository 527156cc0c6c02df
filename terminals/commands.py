"""Carries out what the node commands a terminal, each command once."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Final, TypeAlias

import trio

from terminals import wire
from terminals.clock import NodeClock
from terminals.command_book import COMMANDS_MAX, CommandBook, Remembered
from terminals.errors import KeeperFailed
from terminals.journal_sender import JournalSender, JournalSource
from terminals.keeper import Keeper
from terminals.messages import (
    ChangeChip,
    Command,
    CommandBody,
    FromNode,
    Ready,
    Receipt,
    RestartTerminal,
    SendJournal,
    SetLane,
    SetLogLevel,
    UnknownCommand,
)
from terminals.part import Offload, Part, in_thread, untold

Handler: TypeAlias = Callable[[CommandBody], Awaitable[str]]
"""Carries out a command; returns the reason why it failed, or an empty text. One that raises has a
defect: the command has failed, and its officer is told the kind of exception."""

CAPABILITY: Final = "commands"

KINDS: Final[tuple[type[CommandBody], ...]] = (
    ChangeChip,
    RestartTerminal,
    SetLogLevel,
    SetLane,
    SendJournal,
    UnknownCommand,
)
"""Commands of one kind are carried out one after the other, in the order in which they came; one
that waits until nobody is in front of the terminal does not hold up those of other kinds."""

RETRY_S: Final = 60.0
"""Before what the terminal's disk did not take is tried again."""


class CommandPart(Part):
    """Takes commands, carries them out, and reports.

    Args:
      handler: carries them out.
      keeper: where they are remembered.
      clock: the node's clock: no command is begun after its time, nor before the node has told it.
      journal: what the terminal has written down of its transactions; None: nothing.
      offload: where the disk is read and written.
      note: takes one line for people, where something is wrong.
    """

    def __init__(
        self,
        handler: Handler,
        keeper: Keeper,
        *,
        clock: NodeClock,
        journal: JournalSource | None = None,
        offload: Offload = in_thread,
        note: Callable[[str], None] = untold,
    ) -> None:
        super().__init__()
        self._handler = handler
        self._clock = clock
        self._offload = offload
        self._note = note
        self._book = CommandBook(keeper)
        self._sender = (
            None if journal is None else JournalSender(journal, offload=offload, wake=self._wake)
        )
        self._spoken = False
        self._begun = trio.Event()
        self._arrived: dict[str, Command] = {}
        self._to_report: dict[str, None] = {}
        self._queues: dict[type[CommandBody], deque[Remembered]] = {kind: deque() for kind in KINDS}
        self._work = trio.Event()
        self._disk = trio.Lock()

    # --- the session --------------------------------------------------------------------------

    def begin(self, ready: Ready) -> None:
        """Begin a connection, as `Part` says."""
        self._spoken = CAPABILITY in ready.capabilities
        self._begun.set()
        if self._sender is not None:
            self._sender.begin(ready.frame_bytes_max)

    def next_message(self, now_s: float) -> bytes | None:
        """Return the next report, or part of a journal, as `Part` says."""
        if not self._spoken:
            return None
        while self._to_report:
            command_id = next(iter(self._to_report))
            del self._to_report[command_id]
            if (found := self._book.find(command_id)) is not None:
                return wire.report(found.id, found.stage.reported, found.text)
        return None if self._sender is None else self._sender.next_message(now_s)

    def next_due_s(self) -> float:
        """Return when a part of a journal is sent again, as `Part` says."""
        return math.inf if self._sender is None else self._sender.next_due_s()

    def overdue_s(self) -> float:
        """Return when a receipt is overdue, as `Part` says."""
        return math.inf if self._sender is None else self._sender.overdue_s()

    def take(self, message: FromNode) -> bool:
        """Take a command, or a receipt for a part of a journal, as `Part` says."""
        match message:
            case Command():
                self._take(message)
                return True
            case Receipt():
                return self._sender is not None and self._sender.take(message, trio.current_time())
            case _:
                return False

    def _take(self, command: Command) -> None:
        if self._book.find(command.id) is not None:
            self._report(command.id)
        elif command.expires_ms > self._clock.corrected_ms() and len(self._arrived) < COMMANDS_MAX:
            self._arrived[command.id] = command
            self._wake()

    def _report(self, command_id: str) -> None:
        self._to_report[command_id] = None
        self._wake_session()

    def _wake(self) -> None:
        self._work.set()
        self._work = trio.Event()
        self._wake_session()

    # --- what takes longer --------------------------------------------------------------------

    async def run(self) -> None:
        """Remember commands and carry them out, as `Part` says.

        Cancellation: what is being carried out is cancelled with it, and counts as begun.
        """
        await self._load()
        # Without the node's clock nobody can tell which of them are too late.
        await self._begun.wait()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._remember_all)
            for kind in KINDS:
                nursery.start_soon(self._carry_out_all, kind)

    async def _load(self) -> None:
        found = await self._loaded()
        while found is None:
            # Without its memory it might carry out again what it has done.
            await trio.sleep(RETRY_S)
            found = await self._loaded()
        for remembered in found:
            self._queues[type(remembered.body)].append(remembered)

    async def _loaded(self) -> list[Remembered] | None:
        try:
            return await self._offload(self._book.load)
        except KeeperFailed as error:
            self._note(str(error))
            return None

    async def _remember_all(self) -> None:
        while True:
            while self._arrived:
                await self._remember(self._arrived[next(iter(self._arrived))])
            await self._work.wait()

    async def _remember(self, command: Command) -> None:
        taken: Remembered | None = None
        if self._book.find(command.id) is None:
            try:
                async with self._disk:
                    now_ms = self._clock.corrected_ms()
                    taken = await self._offload(lambda: self._book.take(command, now_ms))
            except KeeperFailed as error:
                # The node tells of it again.
                self._note(str(error))
        del self._arrived[command.id]
        self._report(command.id)
        if taken is not None:
            self._queues[type(taken.body)].append(taken)
            self._wake()

    async def _carry_out_all(self, kind: type[CommandBody]) -> None:
        queue = self._queues[kind]
        while True:
            while queue:
                await self._carry_out(queue[0])
                queue.popleft()
            await self._work.wait()

    async def _carry_out(self, command: Remembered) -> None:
        while command.expires_ms > self._clock.corrected_ms():
            try:
                async with self._disk:
                    await self._offload(lambda: self._book.begin(command))
            except KeeperFailed as error:
                self._note(str(error))
                await trio.sleep(RETRY_S)
                continue
            reason = await self._do(command)
            await self._finish(command, reason)
            return

    async def _finish(self, command: Remembered, reason: str) -> None:
        try:
            async with self._disk:
                await self._offload(lambda: self._book.finish(command, reason))
        except KeeperFailed as error:
            self._note(str(error))
        self._report(command.id)

    async def _do(self, command: Remembered) -> str:
        match command.body:
            case SendJournal():
                if self._sender is None:
                    return "this terminal keeps no journal"
                return await self._sender.send(command.id, command.body)
            case UnknownCommand(name):
                return f"this terminal does not know the command {name}"
            case _:
                return await self._handled(command.body)

    async def _handled(self, body: CommandBody) -> str:
        try:
            return await self._handler(body)
        except Exception as defect:  # noqa: BLE001 - a gate goes on opening; its officer is told
            # The message of a defect may quote what was being handled: a card.
            self._note(f"a command failed: {type(defect).__name__}")
            return f"a defect of the terminal: {type(defect).__name__}"
