"""Answers to questions about the fleet, its lists, its commands, and the node itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice
from typing import Final

import trio

from actors.fleet.fleet import Fleet
from actors.runtime import MailboxTrace, Node
from actors.seams import Seams
from actors.shard import Shard
from engine.seen import Seen
from engine.transaction import Transaction
from protocol.errors import QueryCode
from protocol.messages import (
    CommandFound,
    CommandOf,
    CommandPlace,
    CommandRow,
    Commands,
    CommandsOf,
    DraftRow,
    Failed,
    FleetAnswer,
    FleetQuestion,
    JournalFound,
    JournalLine,
    JournalOf,
    ListRow,
    Lists,
    ListsOf,
    TerminalRow,
    Terminals,
    TerminalsOf,
    Tree,
    TreeOf,
    TreeRow,
)
from storage.fleet.command_store import CommandRecord, CommandStore
from storage.fleet.list_store import ListHead, ListStore
from storage.fleet.terminal_store import TerminalRecord

_GAPS_SHOWN: Final = 5
"""Ranges of missing counters shown of each terminal; their number tells the rest."""

_UNSEEN: Final = Seen()
_NO_MAILBOX: Final = MailboxTrace(0, 0, 0.0, 0, 0)


class FleetDesk:
    """Answers questions about the fleet.

    Args:
      fleet: what is asked about.
      snapshot: the supervision tree as it is now.
      seams: the host's clock, and where the disk is read.
    """

    def __init__(self, fleet: Fleet, *, snapshot: Callable[[], Node], seams: Seams) -> None:
        self._fleet = fleet
        self._snapshot = snapshot
        self._now_ms = seams.now_ms
        self._offload = seams.offload

    async def answer(self, shard: Shard, question: FleetQuestion) -> FleetAnswer | Failed:
        """Return the answer.

        Raises:
          StorageError: the fleet's store cannot be read.
        """
        match question:
            case TerminalsOf():
                return self._terminals(shard, question)
            case TreeOf():
                return self._tree(shard)
            case _:
                return await self._stored(shard, question)

    async def _stored(
        self, shard: Shard, question: ListsOf | CommandsOf | CommandOf | JournalOf
    ) -> FleetAnswer | Failed:
        store = self._fleet.store
        if store is None:
            return Failed(QueryCode.BUSY, "", "the fleet's store is being opened", 1_000)
        lists, commands = ListStore(store), CommandStore(store)
        match question:
            case ListsOf():
                return await self._lists(lists)
            case CommandsOf():
                return await self._offload(lambda: _commands(commands, question))
            case CommandOf():
                return await self._offload(lambda: _command(commands, question))
            case _:
                return await self._journal(commands, shard, question)

    async def _journal(
        self, store: CommandStore, shard: Shard, question: JournalOf
    ) -> JournalFound | Failed:
        terminal, part = question.terminal, question.part

        def look() -> tuple[tuple[Transaction, ...] | None, bool]:
            record = store.find(question.id)
            if record is None:
                return None, False
            following = store.journal(record.number, terminal, part + 1)
            return store.journal(record.number, terminal, part), following is not None

        found, goes_on = await self._offload(look)
        if found is None:
            text = "no such part of a journal has come"
            return Failed(QueryCode.NOT_FOUND, "query.question", text)
        positions = [shard.store.position_of(terminal, line.counter) for line in found]
        lines = tuple(
            JournalLine(line, -1 if position is None else position)
            for line, position in zip(found, positions, strict=True)
        )
        return JournalFound(lines, part + 1 if goes_on else -1)

    # --- terminals ----------------------------------------------------------------------------

    def _terminals(self, shard: Shard, question: TerminalsOf) -> Terminals:
        registry = self._fleet.registry
        found = list(islice(self._matching(question), question.limit + 1))
        shown = found[: question.limit]
        return Terminals(
            tuple(self._terminal(shard, record) for record in shown),
            shown[-1].terminal if len(found) > len(shown) else "",
            len(registry.records),
            registry.connected,
            len(registry.silent),
        )

    def _matching(self, question: TerminalsOf) -> Iterator[TerminalRecord]:
        registry = self._fleet.registry
        for record in registry.behind(question.after):
            if (
                question.kind in ("", record.kind)
                and question.place in ("", record.place)
                and question.operator in ("", record.operator)
                and (not question.silent or record.terminal in registry.silent)
            ):
                yield record

    def _terminal(self, shard: Shard, record: TerminalRecord) -> TerminalRow:
        registry = self._fleet.registry
        seen = shard.book.terminals.get(record.terminal) or _UNSEEN
        return TerminalRow(
            record.terminal,
            record.kind,
            record.place,
            record.operator,
            record.firmware,
            record.key,
            registry.is_connected(record.terminal),
            record.terminal in registry.silent,
            record.last_seen_ms,
            record.backlog,
            record.clock_offset_ms,
            record.battery,
            record.reader,
            seen.high,
            seen.missing,
            seen.gaps[:_GAPS_SHOWN],
            tuple(sorted(record.lists.items())),
        )

    # --- the tree -----------------------------------------------------------------------------

    def _tree(self, shard: Shard) -> Tree:
        rows = tuple(_tree_rows(self._snapshot(), 0, trio.current_time()))
        return Tree(rows, self._now_ms(), len(shard.quarantine), shard.book.position)

    # --- lists --------------------------------------------------------------------------------

    async def _lists(self, store: ListStore) -> Lists:
        drafts = await self._offload(store.drafts)
        waiting = tuple(
            DraftRow(
                draft.draft, draft.name, draft.officer, draft.changes, draft.made_ms, draft.note
            )
            for draft in drafts
            if draft.waits
        )
        heads = [self._fleet.lists.spread(name) for name in self._fleet.lists.heads]
        return Lists(tuple(self._list(head) for head in heads), waiting)

    def _list(self, head: ListHead) -> ListRow:
        counts = self._fleet.lists.counts[head.name]
        return ListRow(
            head.name,
            head.version,
            head.hash,
            head.entries,
            head.file_bytes,
            head.published_ms,
            head.activate_ms,
            head.officer,
            head.second_officer,
            head.note,
            counts.holders,
            counts.holding,
            head.reached_ms,
            counts.mismatches,
        )


def _tree_rows(node: Node, depth: int, now_s: float) -> Iterator[TreeRow]:
    mailbox, crowd = node.mailbox or _NO_MAILBOX, node.crowd
    yield TreeRow(
        depth,
        node.name,
        node.kind,
        node.state,
        int((now_s - node.since_s) * 1_000) if node.since_s else 0,
        node.restarts,
        mailbox.depth,
        mailbox.depth_max,
        int(mailbox.oldest_age_s * 1_000),
        mailbox.accepted,
        mailbox.refused,
        crowd.live if crowd else 0,
        crowd.started if crowd else 0,
        crowd.crashed if crowd else 0,
        # The kind of failure alone: its message may quote what was being handled.
        f"{node.history[-1].ending} {node.history[-1].reason.partition(':')[0]}"
        if node.history
        else "",
    )
    for child in node.children:
        yield from _tree_rows(child, depth + 1, now_s)


def _row(store: CommandStore, record: CommandRecord) -> CommandRow:
    return CommandRow(
        record.number,
        record.id,
        record.body,
        record.officer,
        record.ordered_ms,
        record.expires_ms,
        *store.counts(record.number).values(),
    )


def _commands(store: CommandStore, question: CommandsOf) -> Commands:
    found = store.before(question.before, question.limit + 1)
    shown = found[: question.limit]
    rest = shown[-1].number if len(found) > len(shown) else -1
    return Commands(tuple(_row(store, record) for record in shown), rest)


def _command(store: CommandStore, question: CommandOf) -> CommandFound | Failed:
    record = store.find(question.id)
    if record is None:
        return Failed(QueryCode.NOT_FOUND, "query.question.id", "there is no such command")
    found = list(islice(store.places(record.number, question.after), question.limit + 1))
    shown = found[: question.limit]
    places = tuple(
        CommandPlace(terminal, place.state, place.at_ms, place.text) for terminal, place in shown
    )
    rest = shown[-1][0] if len(found) > len(shown) else ""
    return CommandFound(_row(store, record), places, rest)
