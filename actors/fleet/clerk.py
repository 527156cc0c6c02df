"""The clerk: one life of the fleet's store. All that is written of the fleet goes through it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import trio
from msgspec import Struct

from actors import limits
from actors.fleet.command_desk import CommandDesk, Told
from actors.fleet.list_desk import FileId, ListDesk
from actors.fleet.orders import OrderBook
from actors.fleet.parts import Part
from actors.fleet.registry import Link, Peer, Registry
from actors.seams import Seams
from engine.fleet.commands import CommandState, SendJournal
from engine.fleet.list_file import ListFile
from engine.fleet.lists import LIST_NAMES, GuardRules, ListName
from protocol.errors import OrderCode
from protocol.messages import JournalPart, ListPart, Order, Receipt
from storage.errors import StorageFull
from storage.fleet.command_store import CommandRecord, CommandStore, Move, Place
from storage.fleet.list_store import ListHead, ListStore
from storage.fleet.terminal_store import TerminalStore
from storage.store import Store


class Job(Struct, frozen=True):
    """An order, or a part of a journal, on its way to the disk."""

    peer: Peer
    sender: str
    message: Order | JournalPart
    since_s: float

    @property
    def is_part(self) -> bool:
        """Whether it is a part of a draft, which is written together with others."""
        return isinstance(self.message, Order) and isinstance(self.message.action, ListPart)


class Clerk:
    """Reads and writes the fleet's store, and keeps what is in memory in step with it.

    Args:
      store: the fleet's store.
      registry, lists, commands: what is in memory.
      guard: when a change of the deny list needs a second officer.
      cards_issued: how many cards there are.
      seams: the host's clock, and where the disk is read and written.
    """

    def __init__(
        self,
        store: Store,
        registry: Registry,
        lists: ListDesk,
        commands: CommandDesk,
        *,
        guard: GuardRules,
        cards_issued: Callable[[], int],
        seams: Seams,
    ) -> None:
        self._terminal_store = TerminalStore(store)
        self._list_store = ListStore(store)
        self._command_store = CommandStore(store)
        self._registry = registry
        self._lists = lists
        self._commands = commands
        self._now_ms = seams.now_ms
        self._offload = seams.offload
        self._orders = OrderBook(
            store,
            registry,
            commands,
            guard=guard,
            cards_issued=cards_issued,
            seams=seams,
            on_published=self._on_published,
            on_commanded=self._on_commanded,
        )

    async def load(self) -> None:
        """Take into memory what was written before."""
        self._registry.load(await self._offload(self._terminal_store.load))
        self._commands.load(await self._offload(self._open_commands))
        for head, hashes in await self._offload(self._published):
            self._lists.load(head, hashes, self._registry.links.values())
        await self._tell_links(self._catch_up)

    def _open_commands(self) -> list[tuple[str, CommandRecord]]:
        store, known = self._command_store, dict[int, CommandRecord]()
        found: list[tuple[str, CommandRecord]] = []
        for terminal, number, _ in store.open_places():
            if number not in known:
                known[number] = store.at(number)
            found.append((terminal, known[number]))
        return found

    def _published(self) -> list[tuple[ListHead, dict[int, bytes]]]:
        heads = [self._list_store.head(name) for name in LIST_NAMES]
        return [(head, self._list_store.hashes(head.name)) for head in heads if head.version]

    def _catch_up(self, link: Link) -> None:
        """Tell a terminal that stayed connected what it missed while the store was away."""
        self._commands.tell_all(link, self._now_ms())
        for name in link.held:
            self._lists.consider(link, name)

    async def _tell_links(self, tell: Callable[[Link], None]) -> None:
        for number, link in enumerate(list(self._registry.links.values()), 1):
            if link.peer in self._registry.links:
                tell(link)
            if number % limits.TOLD_AT_ONCE == 0:
                # Telling twenty thousand takes a while: taps come in between.
                await trio.lowlevel.checkpoint()

    # --- orders and journals ------------------------------------------------------------------

    async def do(self, jobs: Sequence[Job]) -> list[Receipt]:
        """Do one job, or several parts of drafts together; return the receipts.

        Raises:
          StorageFull: no room; nothing was done.
        """
        if jobs[0].is_part:
            parts = [
                Part(job.sender, job.message.id, job.message.action)
                for job in jobs
                if isinstance(job.message, Order) and isinstance(job.message.action, ListPart)
            ]
            return await self._orders.take_parts(parts)
        (job,) = jobs
        if isinstance(job.message, Order):
            return [await self._orders.carry_out(job.sender, job.message)]
        return [await self._keep_journal(job.sender, job.message)]

    async def _keep_journal(self, terminal: str, message: JournalPart) -> Receipt:
        record = await self._offload(lambda: self._command_store.find(message.id))
        asked = record is not None and isinstance(record.body, SendJournal)
        standing = None
        if asked and record is not None:
            where = [(terminal, record.number)]
            (standing,) = await self._offload(lambda: self._command_store.places_of(where))
        if record is None or standing is None:
            text = "nobody asked this terminal for its journal under this id"
            return Receipt(message.id, "refused", OrderCode.NO_TARGET, "journal_part.id", text)
        number = record.number
        await self._offload(
            lambda: self._command_store.save_journal(
                number, terminal, message.part, message.transactions
            )
        )
        return Receipt(message.id, "done", count=message.part)

    async def _on_published(self, head: ListHead, file: ListFile) -> None:
        self._lists.publish(head, file, self._registry.links.values())
        await self._tell_links(lambda link: self._lists.consider(link, head.name))

    async def _on_commanded(self, record: CommandRecord, terminals: Sequence[str]) -> None:
        self._commands.add(record, terminals)
        for number, terminal in enumerate(terminals, 1):
            for link in self._registry.links_of(terminal):
                self._commands.tell(link, record)
            if number % limits.TOLD_AT_ONCE == 0:
                await trio.lowlevel.checkpoint()

    # --- reports ------------------------------------------------------------------------------

    async def write_reports(self) -> None:
        """Write what terminals told of their commands since the last call."""
        told = self._commands.take_reports()
        if not told:
            return
        try:
            moves = await self._offload(lambda: self._moves(told))
        except StorageFull:
            # Terminals are told again, and tell again.
            return
        self._commands.moved(moves)

    def _moves(self, told: Sequence[Told]) -> list[Move]:
        ids = dict.fromkeys(report.id for report in told)
        records = {command_id: self._command_store.find(command_id) for command_id in ids}
        now_ms = self._now_ms()
        return self._command_store.move(
            [
                (report.terminal, record.number, Place(report.state, now_ms, report.text))
                for report in told
                if (record := records[report.id])
            ]
        )

    # --- list files ---------------------------------------------------------------------------

    async def make_file(self) -> None:
        """Make one list file that terminals wait for, if they do."""
        wanted = self._lists.next_wanted()
        if wanted is not None:
            self._lists.made(wanted, await self._offload(lambda: self._file(wanted)))

    def _file(self, wanted: FileId) -> ListFile | None:
        name, version, base = wanted
        if base:
            return self._list_store.change_from(name, base, version)
        return self._list_store.file(self._list_store.head(name))

    # --- now and then -------------------------------------------------------------------------

    async def expire(self) -> None:
        """End the commands whose time is over.

        Raises:
          StorageFull: no room; they are still open.
        """
        now_ms = self._now_ms()
        expired = Place(CommandState.EXPIRED, now_ms)
        overdue = [(*standing, expired) for standing in self._commands.overdue(now_ms)]
        if overdue:
            await self._offload(lambda: self._command_store.move(overdue))
            self._commands.moved(overdue)

    async def save(self) -> None:
        """Write what changed in the registry, and how far lists have spread.

        Raises:
          StorageFull: no room; it is written when there is.
        """
        rows = self._registry.take_dirty()
        try:
            await self._offload(lambda: self._terminal_store.save(rows))
        except StorageFull:
            self._registry.keep_dirty(rows)
            raise
        for name in list(self._lists.heads):
            await self._save_reached(name)

    async def _save_reached(self, name: ListName) -> None:
        head, spread = self._lists.heads[name], self._lists.spread(name)
        if spread.reached_ms != head.reached_ms:
            await self._offload(lambda: self._list_store.save_reached(spread))
            if self._lists.heads[name] is head:
                self._lists.heads[name] = spread
