"""One step of a subscription, made in a worker thread: read, choose, show, encode."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from msgspec import Struct

from actors import limits
from engine.transaction import Entry
from protocol.codec import encode
from protocol.filters import Matches
from protocol.limits import FEED_ENTRIES_MAX, FRAME_BYTES_MAX
from protocol.messages import Feed, FeedEntry
from storage.journal import Journal

Show: TypeAlias = Callable[[Entry], Entry]
"""Returns an entry as its consumer may see it."""


class Page(Struct, frozen=True, gc=False):
    """What a step came to.

    Attributes:
      next: everything before it was looked at.
      head: where the durable journal ended.
      payload: the message with the entries that are wanted; empty where none is.
    """

    next: int
    head: int
    payload: bytes


def read_page(
    journal: Journal, position: int, end: int, *, number: int, matches: Matches, show: Show
) -> Page:
    """Read what is wanted of the next entries.

    Args:
      journal: which is durable up to `end`.
      position: of the first entry to look at; before `end`.
      end: no entry from here on is looked at.
      number: the id of the subscription.
      matches: tells which entries are wanted.
      show: what becomes of them.

    Raises:
      StorageDamaged: a block is not what was written.
    """
    found: list[FeedEntry] = []
    stop = min(end, position + limits.FEED_LOOKED_MAX)
    while position < stop and len(found) < FEED_ENTRIES_MAX:
        block = journal.passing(position)
        first = block.first_position
        for entry in block.entries[position - first : stop - first]:
            if matches(entry):
                found.append(FeedEntry(position, show(entry)))
            position += 1
            if len(found) == FEED_ENTRIES_MAX:
                break
    if not found:
        return Page(position, end, b"")
    payload = encode(Feed(number, tuple(found), position, end))
    while len(payload) > FRAME_BYTES_MAX:
        # The longest entry there is fits many times.
        del found[len(found) // 2 :]
        position = found[-1].position + 1
        payload = encode(Feed(number, tuple(found), position, end))
    return Page(position, end, payload)
