"""Bytes to and from one terminal: a socket, read by its session and written by whoever answers.

Answers are written straight into the non-blocking socket by the committer: a hand-over to the
session's task would cost more than the whole decision (D3). Only when the socket is full does
what is left wait, bounded, for the session's flusher.
"""

from __future__ import annotations

import contextlib
import socket
from typing import Protocol

import trio

from actors import limits


class Transport(Protocol):
    """What a terminal actor needs of a connection."""

    async def receive(self) -> bytes:
        """Wait for bytes; none at the end of the connection."""
        ...

    def send_nowait(self, data: bytes) -> None:
        """Send now what the other side takes, and keep the rest for `flush`, bounded."""
        ...

    async def flush(self) -> None:
        """Wait for bytes that could not be sent at once, send them, for ever."""
        ...

    @property
    def unsent_bytes(self) -> int:
        """What waits for `flush`."""
        ...

    async def wait_low(self) -> None:
        """Wait until little is unsent, or the connection closed; it is so when this returns."""
        ...

    def send_eof(self) -> None:
        """Say that nothing more will be sent, so that the other side hangs up."""
        ...

    def close(self) -> None:
        """End the connection; a pending `receive` returns."""
        ...

    def certified_names(self) -> frozenset[str] | None:
        """Return the names in the other side's certificate; None where none was demanded."""
        ...


class SocketTransport:
    """A transport over a connected TCP socket, which it owns.

    Args:
      sock: the socket; made non-blocking.
      unsent_bytes_max: past this many bytes the terminal is too slow, and the line is cut.
    """

    def __init__(
        self, sock: socket.socket, *, unsent_bytes_max: int = limits.OUTPUT_BYTES_MAX
    ) -> None:
        sock.settimeout(0)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, limits.SEND_BUFFER_BYTES)
        self._sock = sock
        self._unsent = bytearray()
        self._unsent_bytes_max = unsent_bytes_max
        self._full = trio.Event()
        self._low = trio.Event()
        self._closed = False

    async def receive(self) -> bytes:
        """Wait for bytes; none at the end, whichever side or error brought it."""
        if self._closed:
            return b""
        try:
            # Waiting first, even where bytes may be there already, is what keeps one busy
            # terminal from holding up the others: each gets one read a round.
            await trio.lowlevel.wait_readable(self._sock)
            return self._sock.recv(limits.RECEIVE_BYTES)
        except (OSError, trio.ClosedResourceError):
            return b""

    def send_nowait(self, data: bytes) -> None:
        """Send what the kernel takes; the rest waits for `flush`."""
        if self._closed:
            return
        if self._unsent:
            self._keep(data)
            return
        try:
            sent = self._sock.send(data)
        except BlockingIOError:
            sent = 0
        except OSError:
            self.close()
            return
        if sent < len(data):
            self._keep(data[sent:])

    def _keep(self, data: bytes) -> None:
        if len(self._unsent) + len(data) > self._unsent_bytes_max:
            self.close()
            return
        self._unsent += data
        self._full.set()

    async def flush(self) -> None:
        """Send what could not be sent at once, whenever there is some, until closed."""
        while not self._closed:
            await self._full.wait()
            await self._drain()
            self._full = trio.Event()

    async def _drain(self) -> None:
        while self._unsent and not self._closed:
            try:
                await trio.lowlevel.wait_writable(self._sock)
                sent = self._sock.send(self._unsent)
            except BlockingIOError:
                continue
            except (OSError, trio.ClosedResourceError):
                self.close()
                return
            del self._unsent[:sent]
            if len(self._unsent) <= limits.OUTPUT_LOW_BYTES:
                self._wake_low()

    async def wait_low(self) -> None:
        """Wait until at most `OUTPUT_LOW_BYTES` are unsent, or the connection is closed.

        Several may wait: the first to go on may send, and the others see what it left.
        """
        while len(self._unsent) > limits.OUTPUT_LOW_BYTES and not self._closed:
            await self._low.wait()

    def _wake_low(self) -> None:
        self._low.set()
        self._low = trio.Event()

    @property
    def unsent_bytes(self) -> int:
        """What the kernel has not taken yet."""
        return len(self._unsent)

    def send_eof(self) -> None:
        """Half-close the socket, unless something still waits to be sent."""
        if not self._unsent and not self._closed:
            with contextlib.suppress(OSError):
                self._sock.shutdown(socket.SHUT_WR)

    def turn_away(self, word: bytes) -> None:
        """Say a last word and close, without waiting: it may be lost on the way."""
        # Closing over a request that nobody has read would take the word back.
        with contextlib.suppress(OSError):
            self._sock.recv(limits.RECEIVE_BYTES)
        self.send_nowait(word)
        self.send_eof()
        self.close()

    def close(self) -> None:
        """Close the socket; whoever waits for it is woken."""
        if self._closed:
            return
        self._closed = True
        self._full.set()
        self._wake_low()
        trio.lowlevel.notify_closing(self._sock)
        self._sock.close()

    def certified_names(self) -> None:
        """Return None: without TLS there are no certificates."""
