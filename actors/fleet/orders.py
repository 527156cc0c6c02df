"""Orders: each is done once, under the id that its officer chose, and its receipt is on disk.

What an order does and what is remembered of it are one write. So an order that is sent again, also
after a crash, gets the receipt of the first time and does nothing.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from hashlib import sha256
from typing import Final, TypeAlias

import msgspec
from msgspec.structs import replace

from actors import limits
from actors.fleet.command_desk import CommandDesk
from actors.fleet.parts import Part, PartKeeper, not_yours, refused
from actors.fleet.registry import Registry
from actors.seams import Seams
from engine.fleet.list_file import ListFile
from engine.fleet.lists import DENY, GuardRules
from protocol.errors import OrderCode
from protocol.messages import (
    Action,
    CommandTerminals,
    ListApprove,
    ListPublish,
    ListWithdraw,
    Order,
    Receipt,
    Register,
)
from storage.fleet.command_store import CommandRecord, CommandStore
from storage.fleet.list_store import Draft, ListHead, ListStore
from storage.fleet.order_store import OrderRecord, OrderStore, order_change
from storage.fleet.terminal_store import TerminalStore, terminal_changes
from storage.store import Change, Store

Published: TypeAlias = Callable[[ListHead, ListFile], Awaitable[None]]
Commanded: TypeAlias = Callable[[CommandRecord, Sequence[str]], Awaitable[None]]

_RECEIPT: Final = msgspec.msgpack.Decoder(Receipt)
_pack: Final = msgspec.msgpack.Encoder().encode


class OrderBook:
    """Carries out orders, one at a time.

    Args:
      store: the fleet's store.
      registry: the terminals.
      commands: what they have before them.
      guard: when a change of the deny list needs a second officer.
      cards_issued: how many cards there are.
      seams: the host's clock, and where the disk is read and written.
      on_published, on_commanded: called once the list or the command is on disk.
    """

    def __init__(
        self,
        store: Store,
        registry: Registry,
        commands: CommandDesk,
        *,
        guard: GuardRules,
        cards_issued: Callable[[], int],
        seams: Seams,
        on_published: Published,
        on_commanded: Commanded,
    ) -> None:
        self._orders = OrderStore(store)
        self._lists = ListStore(store)
        self._parts = PartKeeper(self._lists, seams.now_ms)
        self._command_store = CommandStore(store)
        self._terminals = TerminalStore(store)
        self._registry = registry
        self._commands = commands
        self._guard = guard
        self._cards_issued = cards_issued
        self._now_ms = seams.now_ms
        self._offload = seams.offload
        self._on_published = on_published
        self._on_commanded = on_commanded

    async def take_parts(self, parts: Sequence[Part]) -> list[Receipt]:
        """Keep parts of drafts together, and return the receipt of each.

        Raises:
          StorageFull: no room; none was kept, and they may be sent again.
        """
        return await self._offload(lambda: self._parts.keep(parts))

    async def carry_out(self, officer: str, order: Order) -> Receipt:
        """Do what is ordered, unless it was done before, and return the receipt.

        Durability: what the receipt says is on disk.

        Raises:
          StorageFull: no room; nothing was done, and it may be sent again.
        """
        digest = sha256(_pack(order.action)).digest()
        known = await self._offload(lambda: self._orders.find(officer, order.id))
        if known is not None:
            if known.digest != digest:
                return refused(order.id, OrderCode.CONFLICT, "order.id", "used for another order")
            return _RECEIPT.decode(known.receipt)
        slip = _Slip(officer, order.id, digest, self._now_ms())
        receipt = await self._do(slip, order.action)
        if receipt is None:
            return slip.receipt
        await self._offload(lambda: self._orders.save(officer, order.id, slip.record(receipt)))
        return receipt

    async def _do(self, slip: _Slip, action: Action) -> Receipt | None:
        """Return a receipt that is still to be written, or None where that is done already."""
        match action:
            case ListPublish():
                return await self._publish(slip, action)
            case ListApprove():
                return await self._approve(slip, action)
            case ListWithdraw():
                return await self._withdraw(slip, action)
            case CommandTerminals():
                return await self._command(slip, action)
            case _:
                assert isinstance(action, Register)
                return await self._register(slip, action)

    # --- lists --------------------------------------------------------------------------------

    async def _publish(self, slip: _Slip, action: ListPublish) -> Receipt | None:
        draft = await self._offload(lambda: self._lists.draft(action.draft))
        if draft is None and not action.parts and action.whole:
            # A list is emptied by a whole draft without parts.
            draft = Draft(action.draft, action.name, slip.officer, slip.at_ms)
        if draft is None or draft.name != action.name:
            return await self._no_draft(slip.order_id, action.draft)
        if wrong := not_yours(slip.order_id, draft, slip.officer):
            return wrong
        missing = [part for part in range(action.parts) if part not in draft.parts]
        if missing or len(draft.parts) != action.parts:
            text = f"part {missing[0]} is missing" if missing else f"{len(draft.parts)} have come"
            return refused(slip.order_id, OrderCode.PARTS_MISSING, "order.action.parts", text)
        made = replace(
            draft,
            base=action.base,
            whole=action.whole,
            activate_ms=action.activate_ms,
            note=action.note,
        )
        return await self._moved_on(slip.order_id, made) or await self._guarded(slip, made)

    async def _guarded(self, slip: _Slip, draft: Draft) -> Receipt | None:
        """Publish a draft, unless it changes so much that a second officer has to look."""
        changes = await self._offload(lambda: sum(1 for _ in self._lists.changes_of(draft)))
        if not changes:
            text = "the list is so already"
            return refused(slip.order_id, OrderCode.NOTHING_CHANGES, "order.action.draft", text)
        counted, issued = replace(draft, changes=changes), self._cards_issued()
        if draft.name == DENY and self._guard.needs_second(changes, issued):
            await self._hold_back(slip, counted, issued)
        else:
            await self._make_version(slip, counted, "")
        return None

    async def _hold_back(self, slip: _Slip, draft: Draft, issued: int) -> None:
        held = replace(draft, waits=True)
        text = f"{draft.changes} cards of {issued} issued: a second officer has to approve"
        slip.receipt = Receipt(
            slip.order_id, "waiting", OrderCode.SECOND_OFFICER, "", text, count=draft.changes
        )
        await self._offload(lambda: self._lists.save_draft(held, [slip.change()]))

    async def _approve(self, slip: _Slip, action: ListApprove) -> Receipt | None:
        draft = await self._offload(lambda: self._lists.draft(action.draft))
        if draft is None or not draft.waits:
            return await self._no_draft(slip.order_id, action.draft)
        if draft.officer == slip.officer:
            text = "whoever drafted it is not the second officer"
            return refused(slip.order_id, OrderCode.SECOND_OFFICER, "order.action.draft", text)
        if wrong := await self._moved_on(slip.order_id, draft):
            return wrong
        await self._make_version(slip, draft, slip.officer)
        return None

    async def _withdraw(self, slip: _Slip, action: ListWithdraw) -> Receipt | None:
        draft = await self._offload(lambda: self._lists.draft(action.draft))
        if draft is None:
            return await self._no_draft(slip.order_id, action.draft)
        slip.receipt = Receipt(slip.order_id, "done", count=draft.changes)
        await self._offload(lambda: self._lists.drop_draft(draft.draft, [slip.change()]))
        return None

    async def _no_draft(self, order_id: str, draft: str) -> Receipt:
        field = "order.action.draft"
        version = await self._offload(lambda: self._lists.version_of(draft))
        if version is None:
            return refused(order_id, OrderCode.DRAFT_UNKNOWN, field, "there is no such draft")
        text = f"it was published as version {version}: the next draft needs another name"
        return refused(order_id, OrderCode.DRAFT_UNKNOWN, field, text)

    async def _moved_on(self, order_id: str, draft: Draft) -> Receipt | None:
        head = await self._offload(lambda: self._lists.head(draft.name))
        if head.version == draft.base:
            return None
        text = f"the list is at version {head.version}, the draft changes {draft.base}"
        return refused(order_id, OrderCode.VERSION_PASSED, "order.action.base", text)

    async def _make_version(self, slip: _Slip, draft: Draft, second_officer: str) -> None:
        def order(head: ListHead) -> Sequence[Change]:
            slip.receipt = Receipt(slip.order_id, "done", version=head.version, count=draft.changes)
            return [slip.change()]

        head, file = await self._offload(
            lambda: self._lists.publish(
                draft, second_officer=second_officer, at_ms=slip.at_ms, order=order
            )
        )
        await self._on_published(head, file)

    # --- commands and terminals ---------------------------------------------------------------

    async def _command(self, slip: _Slip, action: CommandTerminals) -> Receipt | None:
        targets = action.targets
        if targets.is_empty and not targets.everybody:
            text = "name terminals, a condition, or everybody"
            return refused(slip.order_id, OrderCode.NO_TARGET, "order.action.targets", text)
        if action.expires_ms <= slip.at_ms:
            text = "its time is over already"
            return refused(slip.order_id, OrderCode.EXPIRED, "order.action.expires_ms", text)
        for number, name in enumerate(targets.terminals):
            if name not in self._registry.records:
                field = f"order.action.targets.terminals[{number}]"
                return refused(slip.order_id, OrderCode.TERMINAL_UNKNOWN, field, name)
        terminals = self._registry.selected(targets)
        if not terminals:
            text = "no terminal meets these conditions"
            return refused(slip.order_id, OrderCode.NO_TARGET, "order.action.targets", text)
        busiest = max(terminals, key=self._commands.open_at)
        if self._commands.open_at(busiest) >= limits.COMMANDS_OPEN_MAX:
            text = f"{busiest} has {limits.COMMANDS_OPEN_MAX} commands before it"
            return refused(slip.order_id, OrderCode.TOO_MANY, "order.action.targets", text)
        number = await self._offload(self._command_store.next_number)
        record = CommandRecord(
            number,
            f"{slip.officer}/{slip.order_id}",
            action.body,
            slip.officer,
            slip.at_ms,
            action.expires_ms,
        )
        slip.receipt = Receipt(slip.order_id, "done", count=len(terminals))
        # A terminal that has a command before it is known whatever happens to the node.
        rows = terminal_changes(self._registry.rows_unwritten(terminals))
        changes = [slip.change(), *rows]
        await self._offload(lambda: self._command_store.add(record, terminals, changes))
        await self._on_commanded(record, terminals)
        return None

    async def _register(self, slip: _Slip, action: Register) -> Receipt | None:
        known = action.terminal in self._registry.records
        if not known and len(self._registry.records) >= limits.TERMINALS_KNOWN_MAX:
            text = f"{limits.TERMINALS_KNOWN_MAX} terminals are known"
            return refused(slip.order_id, OrderCode.TOO_MANY, "order.action.terminal", text)
        row = self._registry.register(action)
        slip.receipt = Receipt(slip.order_id, "done", count=1)
        await self._offload(lambda: self._terminals.save([row], [slip.change()]))
        return None


class _Slip:
    """An order on its way: what will be remembered of it."""

    def __init__(self, officer: str, order_id: str, digest: bytes, at_ms: int) -> None:
        self.officer = officer
        self.order_id = order_id
        self.at_ms = at_ms
        self.receipt = Receipt(order_id, "refused")
        self._digest = digest

    def record(self, receipt: Receipt) -> OrderRecord:
        return OrderRecord(self._digest, _pack(receipt), self.at_ms)

    def change(self) -> Change:
        return order_change(self.officer, self.order_id, self.record(self.receipt))
