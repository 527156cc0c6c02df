"""Parts of drafts: what waits of them is written together, for each write waits for the disk.

A part needs no receipt on disk to be safe to send again: its draft and its number name it, and a
draft that was published begins no other one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from msgspec.structs import replace

from actors import limits
from engine.fleet.lists import Put
from protocol.errors import OrderCode
from protocol.messages import ListPart, Receipt
from storage.fleet.list_store import Draft, ListStore


class Part(NamedTuple):
    """A part of a draft, and the order that it came in."""

    officer: str
    order_id: str
    action: ListPart


class PartKeeper:
    """Keeps parts of drafts; a worker thread calls it.

    Args:
      lists: the drafts on disk.
      now_ms: the host's clock.
    """

    def __init__(self, lists: ListStore, now_ms: Callable[[], int]) -> None:
        self._lists = lists
        self._now_ms = now_ms

    def keep(self, parts: Sequence[Part]) -> list[Receipt]:
        """Write parts in one step, and return the receipt of each.

        Durability: what the receipts say is on disk.

        Raises:
          StorageFull: no room; none was kept.
        """
        drafts = {draft.draft: draft for draft in self._lists.drafts()}
        if any(part.action.draft not in drafts for part in parts):
            self._drop_stale(drafts)
        kept: list[tuple[Draft, Sequence[Put]]] = []
        receipts: list[Receipt] = []
        for part in parts:
            version = self._lists.version_of(part.action.draft)
            if version is not None:
                receipts.append(Receipt(part.order_id, "done", version=version))
                continue
            draft = drafts.get(part.action.draft)
            if wrong := self._wrong(part, draft, len(drafts)):
                receipts.append(wrong)
                continue
            action = part.action
            draft = draft or Draft(action.draft, action.name, part.officer, self._now_ms())
            draft = drafts[draft.draft] = replace(draft, parts=draft.parts | {action.part})
            kept.append((draft, action.entries))
            receipts.append(Receipt(part.order_id, "done", count=len(draft.parts)))
        if kept:
            self._lists.save_parts(kept)
        return receipts

    def _drop_stale(self, drafts: dict[str, Draft]) -> None:
        """Throw away what nobody went on with; one that waits for an officer stays."""
        before_ms = self._now_ms() - limits.DRAFT_KEPT_MS
        for draft in list(drafts.values()):
            if not draft.waits and draft.made_ms < before_ms:
                self._lists.drop_draft(draft.draft)
                del drafts[draft.draft]

    def _wrong(self, part: Part, draft: Draft | None, drafts: int) -> Receipt | None:
        action = part.action
        for number, (key, _) in enumerate(action.entries):
            if not is_list_key(key):
                field = f"order.action.entries[{number}][0]"
                text = "printable ASCII without blanks"
                return refused(part.order_id, OrderCode.KEY_INVALID, field, text)
        if draft is None:
            if drafts < limits.DRAFTS_MAX:
                return None
            text = f"{limits.DRAFTS_MAX} drafts are open: withdraw one"
            return refused(part.order_id, OrderCode.TOO_MANY, "order.action.draft", text)
        if draft.name != action.name:
            text = f"the draft is one of {draft.name}"
            return refused(part.order_id, OrderCode.CONFLICT, "order.action.name", text)
        return not_yours(part.order_id, draft, part.officer)


def is_list_key(key: str) -> bool:
    """Tell whether a text may be a key of a list: printable ASCII without blanks."""
    return key.isascii() and key.isprintable() and " " not in key


def not_yours(order_id: str, draft: Draft, officer: str) -> Receipt | None:
    """Return why an officer may not change a draft, if there is a reason."""
    if draft.officer != officer:
        text = f"the draft is one of {draft.officer}"
        return refused(order_id, OrderCode.CONFLICT, "order.action.draft", text)
    if draft.waits:
        text = "the draft waits for a second officer: withdraw it to change it"
        return refused(order_id, OrderCode.CONFLICT, "order.action.draft", text)
    return None


def refused(order_id: str, code: OrderCode, field: str, text: str) -> Receipt:
    """Return the receipt of an order that was not done."""
    return Receipt(order_id, "refused", code, field, text)
