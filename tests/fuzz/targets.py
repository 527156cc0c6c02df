"""What a fuzzer calls that knows bytes alone, and is led by coverage.

The first byte says what the others are: bytes to be fed as they are, or the chance that a case
draws from. So such a fuzzer leads messages made from their types, and orders of events, too.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Final

from protocol.websocket import ServerWebSocket
from tests.fuzz.cases import (
    SESSIONS,
    Case,
    check_output,
    feed,
    frame_case,
    message_case,
    receive_all,
    typed_case,
)
from tests.fuzz.orders import order_case
from tests.protocol.peer import open_websocket


class ChanceOfBytes(random.Random):
    """Chance that is drawn from bytes: where they end it is always the least.

    Args:
      data: the bytes.
    """

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0
        super().__init__(0)

    def getrandbits(self, k: int, /) -> int:
        """Return the next bits."""
        size = (k + 7) // 8
        taken = self._data[self._at : self._at + size]
        self._at += size
        return int.from_bytes(taken, "little") & ((1 << k) - 1)

    def random(self) -> float:
        """Return a number from [0, 1)."""
        return self.getrandbits(16) / 65_536


def feed_request(data: bytes) -> None:
    """Take bytes for a request and what follows it."""
    receive_all(ServerWebSocket(), [data])


def feed_frames(data: bytes) -> None:
    """Take bytes for frames, and what is in them for messages."""
    websocket = open_websocket(message_bytes_max=10_000)
    messages, output = receive_all(websocket, [data])
    check_output(websocket, output)
    for message in messages:
        feed_session(message)


def feed_session(data: bytes) -> None:
    """Take bytes for a message in each phase of a session."""
    for session in SESSIONS.fresh():
        feed(session, data)


DRAWN: Final[tuple[Case, ...]] = (order_case, typed_case, frame_case, message_case)
FED: Final[tuple[Callable[[bytes], None], ...]] = (feed_request, feed_frames, feed_session)
KINDS: Final = len(DRAWN) + len(FED)


def call(data: bytes) -> None:
    """Run the case that some bytes say."""
    if not data:
        return
    kind = data[0] % KINDS
    if kind < len(DRAWN):
        DRAWN[kind](ChanceOfBytes(data[1:]))
    else:
        FED[kind - len(DRAWN)](data[1:])
