"""A virtual card in a virtual reader of PC/SC: the card's side of the driver's protocol.

pcscd's driver listens, and a card connects to it: that is how it comes into the field, and closing
the connection is how it leaves. Each message is a length (two bytes, the most significant first)
and so many bytes. One byte is a word to the card: power off, power on, reset, or a question for the
ATR; anything else is a command, and only the last two are answered.

Source: the driver `vpcd` of the project vsmartcard; PC/SC part 3, 3.1.3.2.3 (the ATR).
"""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Callable
from threading import Event
from typing import Final

from ops.virtual_card.card import Torn, VirtualCard

PORT: Final = 35963
"""Of the first slot; each further one is one above."""
ATR: Final = bytes.fromhex("3B8180018080")
"""What a reader makes up for a contactless card that tells nothing of itself."""

CONNECT_RETRY_S: Final = 0.02
CONNECT_S_MAX: Final = 15.0
MESSAGE_S_MAX: Final = 10.0
"""For the rest of a message that has begun; between messages nobody has to say anything."""
_POLL_S: Final = 1.0
_LENGTH_BYTES: Final = 2
_POWER_OFF: Final = b"\x00"
_POWER_ON: Final = b"\x01"
_RESET: Final = b"\x02"
_ASK_ATR: Final = b"\x04"


class NoReader(Exception):
    """No driver of a virtual reader listens where it should."""


class VpcdSlot:
    """One slot of a virtual reader, with a card in it while `run` runs.

    `run` blocks: it is for a thread of its own. A card that was taken out is put in again by
    another slot object.

    Args:
      card: that is in it; nobody else uses it meanwhile.
      host: where the driver listens.
      port: of the slot.
      changed: is called when what the card keeps has changed, before the answer leaves it: what a
        reader was told is then kept.
      connect_s_max: how long to try to connect.
    """

    def __init__(
        self,
        card: VirtualCard,
        host: str = "127.0.0.1",
        port: int = PORT,
        *,
        changed: Callable[[VirtualCard], None] | None = None,
        connect_s_max: float = CONNECT_S_MAX,
    ) -> None:
        self._card = card
        self._address = (host, port)
        self._changed = changed
        self._connect_s_max = connect_s_max
        self._stopped = Event()
        self._seen = Event()
        self._socket: socket.socket | None = None

    def run(self) -> None:
        """Put the card in, and answer until it is torn, `stop` is called or the driver ends.

        Raises:
          NoReader: nothing listens there.
        """
        connection = self._connected()
        if connection is None:
            return
        self._socket = connection
        try:
            # `stop` may have come before there was a connection to close.
            if not self._stopped.is_set():
                self._serve(connection)
        except OSError:
            # The driver is gone, or `stop` has closed the connection.
            pass
        finally:
            self._card.power_off()
            connection.close()

    def wait_seen(self, timeout_s: float) -> bool:
        """Wait until the reader has seen the card; tell whether it has."""
        return self._seen.wait(timeout_s)

    def stop(self) -> None:
        """Take the card out; may be called from any thread, at any time, more than once."""
        self._stopped.set()
        connection = self._socket
        if connection is not None:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def _connected(self) -> socket.socket | None:
        until = time.monotonic() + self._connect_s_max
        while not self._stopped.is_set():
            try:
                return socket.create_connection(self._address, timeout=_POLL_S)
            except OSError as error:
                if time.monotonic() >= until:
                    host, port = self._address
                    told = f"no driver of a virtual reader listens on {host}:{port}: {error}"
                    raise NoReader(told) from error
            self._stopped.wait(CONNECT_RETRY_S)
        return None

    def _serve(self, connection: socket.socket) -> None:
        connection.settimeout(_POLL_S)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        while (message := self._message(connection)) is not None:
            self._seen.set()
            try:
                answer = self._answer(message)
            except Torn:
                return
            if answer:
                connection.sendall(len(answer).to_bytes(_LENGTH_BYTES, "big") + answer)

    def _message(self, connection: socket.socket) -> bytes | None:
        head = self._received(connection, _LENGTH_BYTES, begun=False)
        if head is None:
            return None
        return self._received(connection, int.from_bytes(head, "big"), begun=True)

    def _received(self, connection: socket.socket, count: int, *, begun: bool) -> bytes | None:
        """Return so many bytes; None once the driver has closed, or says half a message."""
        data = b""
        until = time.monotonic() + MESSAGE_S_MAX
        while len(data) < count:
            # The driver sends length and body apart, and its system holds the second back until
            # the first is acknowledged, which ours would put off: 40 ms for each command. The
            # system forgets the option, so it is set each time.
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
            try:
                part = connection.recv(count - len(data))
            except TimeoutError:
                if self._stopped.is_set() or ((begun or data) and time.monotonic() >= until):
                    return None
                continue
            if not part:
                return None
            data += part
        return data

    def _answer(self, message: bytes) -> bytes:
        card = self._card
        if message == _ASK_ATR:
            return ATR
        if message in {_POWER_ON, _RESET}:
            card.reset()
            return b""
        if message == _POWER_OFF:
            card.power_off()
            return b""
        before = card.state
        try:
            return card.answer(message)
        finally:
            # A card that was torn has kept what it did, too.
            if card.state is not before and self._changed is not None:
                self._changed(card)
