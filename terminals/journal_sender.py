"""Sends parts of a terminal's journal to the node, each until there is a receipt for it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Final, TypeAlias

import trio

from protocol import limits
from terminals import wire
from terminals.intents import Intent
from terminals.messages import Receipt, SendJournal
from terminals.orders import RECEIPT_S
from terminals.part import Offload

JournalSource: TypeAlias = Callable[[int, int, int], Sequence[tuple[int, int, Intent]]]
"""Returns what the terminal has written down: counter, time and intent of its transactions with
counters from the first number to the second, in their order, and so many at most. It may block."""

BUSY_FIRST_S: Final = 1.0
BUSY_S_MAX: Final = 60.0
"""Pause before a part that was turned away is sent again: doubled each time, up to a bound."""

HEADER_BYTES: Final = 256
"""Of a part before its transactions: the id of the command takes at most 131."""

_NOTHING: Final[Sequence[list[bytes]]] = ([],)
"""An empty part: the officer sees that it was looked for."""


class JournalSender:
    """Sends one journal at a time, one part after the other.

    Args:
      source: what the terminal has written down.
      offload: where that is read.
      wake: called when there is something to send.
    """

    def __init__(
        self, source: JournalSource, *, offload: Offload, wake: Callable[[], None]
    ) -> None:
        self._source = source
        self._offload = offload
        self._wake = wake
        self._frame_bytes_max = wire.FRAME_BYTES_MIN
        self._command_id = ""
        self._number = 0
        self._packed: bytes | None = None
        self._sent_s: float | None = None
        self._due_s = -math.inf
        self._pause_s = BUSY_FIRST_S
        self._receipt: Receipt | None = None
        self._answered = trio.Event()

    async def send(self, command_id: str, wanted: SendJournal) -> str:
        """Send a journal; return why that failed, or an empty text.

        Cancellation: some parts of it may have been sent.
        """
        first, number = wanted.first, 0
        while True:
            read = partial(self._source, first, wanted.last, limits.TRANSACTIONS_PER_FRAME_MAX)
            found = await self._offload(read)
            packed = [wire.transaction(*one) for one in found]
            for part in self._cut(packed) if packed or number else _NOTHING:
                if number == limits.JOURNAL_PARTS_MAX:
                    return f"more than {limits.JOURNAL_PARTS_MAX} parts: ask for less"
                receipt = await self._send_part(command_id, number, part)
                if receipt.result != "done":
                    return f"{receipt.code}: {receipt.text}"
                number += 1
            if len(found) < limits.TRANSACTIONS_PER_FRAME_MAX:
                return ""
            first = found[-1][0] + 1

    def _cut(self, transactions: Sequence[bytes]) -> Iterator[list[bytes]]:
        """Cut transactions into parts that fit into a frame."""
        part: list[bytes] = []
        bytes_max = min(self._frame_bytes_max, limits.JOURNAL_PART_BYTES_MAX)
        left = room = bytes_max - HEADER_BYTES
        for packed in transactions:
            if part and len(packed) > left:
                yield part
                part, left = [], room
            part.append(packed)
            left -= len(packed)
        if part:
            yield part

    async def _send_part(self, command_id: str, number: int, part: Sequence[bytes]) -> Receipt:
        self._command_id, self._number = command_id, number
        self._packed = wire.journal_part(command_id, number, part)
        self._sent_s, self._due_s, self._pause_s = None, -math.inf, BUSY_FIRST_S
        self._answered = trio.Event()
        self._wake()
        try:
            await self._answered.wait()
        finally:
            self._packed = self._sent_s = None
        assert self._receipt is not None
        return self._receipt

    # --- the session --------------------------------------------------------------------------

    def begin(self, frame_bytes_max: int) -> None:
        """Begin a connection: what has no receipt is sent again."""
        self._frame_bytes_max = frame_bytes_max
        self._sent_s = None

    def next_message(self, now_s: float) -> bytes | None:
        """Return the part to be sent now, and note it as sent."""
        if self._packed is None or self._sent_s is not None or now_s < self._due_s:
            return None
        self._sent_s = now_s
        return self._packed

    def next_due_s(self) -> float:
        """Return when a part that was turned away is sent again; infinity: none was."""
        waits = self._packed is not None and self._sent_s is None
        return self._due_s if waits else math.inf

    def overdue_s(self) -> float:
        """Return when the connection is to be held dead for want of a receipt; infinity: not."""
        return math.inf if self._sent_s is None else self._sent_s + RECEIPT_S

    def take(self, receipt: Receipt, now_s: float) -> bool:
        """Take a receipt; tell whether it is for the part under way."""
        if self._packed is None or self._sent_s is None or receipt.id != self._command_id:
            return False
        if receipt.result == "done" and receipt.count != self._number:
            return False
        if receipt.result == "busy":
            self._sent_s, self._due_s = None, now_s + self._pause_s
            self._pause_s = min(2 * self._pause_s, BUSY_S_MAX)
            return True
        self._receipt = receipt
        self._packed = self._sent_s = None
        self._answered.set()
        return True
