"""What an officer does through a client: orders, and lists published from entries.

A node does an order once, under the id that its sender chose: the same id with the same content
gets the first receipt again, whenever and on whatever connection it is sent. So choose a new id
for what is new, and the old one to learn what became of the old. Drafts are named likewise.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final, TypeAlias

import trio

from engine.accounts import is_name
from engine.limits import NAME_LENGTH_MAX
from protocol import limits
from terminals import wire
from terminals.client import TerminalClient
from terminals.errors import TerminalError
from terminals.messages import Receipt
from terminals.nursery import flat_nursery

Entry: TypeAlias = tuple[str, str | None]
"""A key of a list, and its value; None removes it."""

BUSY_FIRST_S: Final = 0.2
BUSY_S_MAX: Final = 5.0
"""Pause before what was turned away is sent again: doubled each time, up to a bound."""

PARTS_AT_ONCE: Final = 8
"""Parts of a draft on their way: half of what a connection may have without a receipt."""

HEADER_BYTES: Final = 256
"""Of an order before the entries of a part: its id, the names of the draft and the list."""

_LEFT_BEHIND: Final = frozenset({"nothing_changes", "parts_missing", "version_passed"})
"""Why a draft of this officer was not published: it is still there, and of no more use."""


async def order(client: TerminalClient, order_id: str, action: Sequence[object]) -> Receipt:
    """Have an order done, and return its receipt: `done`, `waiting` or `refused`.

    It is sent again after a lost connection, and for as long as the node has no time for it.

    Args:
      client: one whose key has the role of an operator.
      order_id: chosen by the caller; printable ASCII without blanks, `/` and `*`.
      action: its name and fields in the protocol's order, as `["list_withdraw", draft]`.

    Raises:
      ValueError: the id is no name or is under way, or the order is longer than any may be.
      TerminalError: the client ended; what was sent may have been done or not.

    Cancellation: it may have been done; ordering it again under the same id tells.
    """
    if not is_name(order_id) or len(order_id) > NAME_LENGTH_MAX:
        raise ValueError(f"{order_id!r} is no id: printable ASCII without blanks, / and *")
    pause_s = BUSY_FIRST_S
    while (receipt := await client.order(order_id, action)).result == "busy":
        await trio.sleep(pause_s)
        pause_s = min(2 * pause_s, BUSY_S_MAX)
    return receipt


async def publish(
    client: TerminalClient,
    name: str,
    draft: str,
    entries: Iterable[Entry],
    *,
    base: int,
    whole: bool,
    activate_ms: int = 0,
    note: str = "",
) -> Receipt:
    """Publish a list, or a change of it, and return the receipt of what became of it.

    The entries go in parts, under orders named after the draft (`DRAFT.0`, `DRAFT.publish`). A
    draft that is refused because of its content is withdrawn.

    Args:
      client: as for `order`.
      name: the list.
      draft: a name not used before, of at most 56 characters.
      entries: keys and values; None removes the key. They are taken as they are needed.
      base: the version that was looked at; if the list has moved on, nothing is published.
      whole: whether what is not named is removed.
      activate_ms: when terminals begin to use it; 0: at once.
      note: why.

    Raises:
      ValueError: the draft's name is none or too long, an entry is longer than any may be, or
        there are more than a draft may have.
      TerminalError: the client ended.

    Cancellation: the draft may be there, or published; publishing the same again tells.
    """
    publish_id = f"{draft}.publish"
    if not is_name(draft) or len(publish_id) > NAME_LENGTH_MAX:
        raise ValueError(f"{draft!r} is no name for a draft, or is too long")
    room = client.frame_bytes_max - HEADER_BYTES
    sender = _PartSender(client, name, draft)
    await sender.send(cut(entries, room))
    if sender.refusal is not None:
        return sender.refusal
    action = ["list_publish", draft, name, sender.parts, base, whole, activate_ms, note]
    receipt = await order(client, publish_id, action)
    if receipt.result == "refused" and receipt.code in _LEFT_BEHIND and sender.parts:
        await order(client, f"{draft}.drop", ["list_withdraw", draft])
    return receipt


def cut(entries: Iterable[Entry], bytes_max: int) -> Iterator[list[Entry]]:
    """Cut entries into parts by their number and their size on the wire.

    Raises:
      ValueError: an entry does not fit by itself.
    """
    part: list[Entry] = []
    left = bytes_max
    for entry in entries:
        size = wire.size_of(entry)
        if size > bytes_max:
            raise ValueError(f"the entry of {entry[0][:40]!r} takes {size} bytes")
        if part and (size > left or len(part) == limits.LIST_PART_ENTRIES_MAX):
            yield part
            part, left = [], bytes_max
        part.append(entry)
        left -= size
    if part:
        yield part


class _PartSender:
    """Sends the parts of a draft, some at a time, until one is refused."""

    def __init__(self, client: TerminalClient, name: str, draft: str) -> None:
        self.parts = 0
        self.refusal: Receipt | None = None
        self._client = client
        self._name = name
        self._draft = draft
        self._failure: TerminalError | None = None
        self._room = trio.Semaphore(PARTS_AT_ONCE)

    async def send(self, parts: Iterable[list[Entry]]) -> None:
        async with flat_nursery() as nursery:
            for part in parts:
                await self._room.acquire()
                if self.refusal is not None or self._failure is not None:
                    break
                if self.parts == limits.LIST_PARTS_MAX:
                    raise ValueError(f"a draft has at most {limits.LIST_PARTS_MAX} parts")
                nursery.start_soon(self._send_one, self.parts, part)
                self.parts += 1
        if self._failure is not None:
            raise self._failure

    async def _send_one(self, number: int, part: list[Entry]) -> None:
        action = ["list_part", self._draft, self._name, number, part]
        try:
            receipt = await order(self._client, f"{self._draft}.{number}", action)
        except TerminalError as error:
            # Kept, so that it comes out alone, however many parts end with it.
            self._failure = error
        else:
            if receipt.result != "done":
                self.refusal = receipt
        finally:
            self._room.release()
