"""TLS 1.3 around the connection of one terminal (RFC 8446).

OpenSSL works on two buffers in memory and never sees the socket. What is said to a terminal is
encrypted where it is said, and goes on as on a plain connection: the committer's answers leave at
once under TLS too (D3). Nothing that the other side sends raises an error here: it ends its own
connection, with an alert where TLS has one for it.
"""

from __future__ import annotations

import contextlib
import ssl
from typing import Any, TypeAlias, cast

from actors import limits
from actors.transport import SocketTransport

Context: TypeAlias = ssl.SSLContext
"""Certificate, key and rules of the connections that are opened with it."""


class TlsTransport:
    """A transport over TLS, which is the server's side of it.

    The handshake is done as its bytes come in, one step a read; who waits for it to end is the
    session, whose deadline counts from the connection. What is said before its end is dropped.

    Args:
      line: the connection below, which is this transport's from now on.
      context: the certificate to show.
    """

    def __init__(self, line: SocketTransport, context: Context) -> None:
        self._line = line
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_side=True)
        self._demands_certificate = context.verify_mode is ssl.CERT_REQUIRED
        self._handshake_bytes = 0
        self._shaken = self._may_send = False
        self._ended = self._end_told = False

    async def receive(self) -> bytes:
        """Wait for bytes; none at the end, whichever side or error brought it.

        Asked again after the end, it waits until the other side has hung up.
        """
        while not self._ended:
            data = await self._line.receive()
            if not data:
                # Cut off without a goodbye (close_notify): that can hide nothing, for what a
                # terminal was not answered it sends again.
                self._ended = True
            elif plain := self._take(data):
                return plain
        if self._end_told:
            while await self._line.receive():
                pass
        self._end_told = True
        return b""

    def send_nowait(self, data: bytes) -> None:
        """Encrypt and send what the kernel takes; the rest waits for `flush`."""
        if not data or not self._may_send:
            return
        sealed: list[bytes] = []
        try:
            for start in range(0, len(data), limits.TLS_PIECE_BYTES):
                self._tls.write(data[start : start + limits.TLS_PIECE_BYTES])
                sealed.append(self._outgoing.read())
        except ssl.SSLError:
            # The other side stands in the middle of a message of TLS itself, and whoever speaks
            # here does not wait for it to go on.
            self.close()
            return
        self._line.send_nowait(b"".join(sealed))

    @property
    def unsent_bytes(self) -> int:
        """What the kernel has not taken yet."""
        return self._line.unsent_bytes

    async def wait_low(self) -> None:
        """Wait until little is unsent, or the connection is closed."""
        await self._line.wait_low()

    async def flush(self) -> None:
        """Send what could not be sent at once, whenever there is some, until closed."""
        await self._line.flush()

    def send_eof(self) -> None:
        """Say goodbye (close_notify), and half-close the socket unless something still waits."""
        self._say_goodbye()
        self._line.send_eof()

    def turn_away(self, _word: bytes) -> None:
        """Close without a word: before the handshake nobody could read it."""
        self._line.turn_away(b"")

    def close(self) -> None:
        """Say goodbye if that is still possible, and close; whoever waits is woken."""
        self._say_goodbye()
        self._line.close()

    def certified_names(self) -> frozenset[str] | None:
        """Return subject and DNS names of the other side's certificate; None if none was demanded.

        They are compared as they are: letters keep their case and a star is a star.
        """
        if not self._demands_certificate:
            return None
        try:
            told = cast("dict[str, Any]", self._tls.getpeercert() or {})
        except ValueError:  # a name that is no text
            return frozenset()
        subject = {pair for part in told.get("subject", ()) for pair in part}
        names = {name for kind, name in subject if kind == "commonName"}
        names |= {name for kind, name in told.get("subjectAltName", ()) if kind == "DNS"}
        return frozenset(names)

    def _take(self, data: bytes) -> bytes:
        """Take bytes of the connection; return those that stood in it.

        Piece by piece: the buffers of OpenSSL keep the size of the most that was ever in them.
        """
        plain: list[bytes] = []
        for start in range(0, len(data), limits.TLS_PIECE_BYTES):
            if self._ended:
                break
            piece = data[start : start + limits.TLS_PIECE_BYTES]
            self._incoming.write(piece)
            try:
                if not self._shaken:
                    self._shake_hands()
                self._decrypt(plain)
            except ssl.SSLWantReadError:
                self._wait_for_more(len(piece))
            except ssl.SSLError:
                self._fail()
        self._pass_on()
        return b"".join(plain)

    def _shake_hands(self) -> None:
        self._tls.do_handshake()
        self._shaken = self._may_send = True

    def _decrypt(self, plain: list[bytes]) -> None:
        # Asking for more than there is would raise an error, which costs more than the asking.
        while not self._ended and (self._incoming.pending or self._tls.pending()):
            found = self._tls.read(limits.TLS_PIECE_BYTES)
            if found:
                plain.append(found)
            else:
                self._ended = True

    def _wait_for_more(self, size: int) -> None:
        """Let the rest of a record, or of a handshake within its bound, come with the next read."""
        if not self._shaken:
            self._handshake_bytes += size
            if self._handshake_bytes > limits.TLS_HANDSHAKE_BYTES_MAX:
                self._fail()

    def _fail(self) -> None:
        """Hear and say nothing more, but for the alert that OpenSSL may have for it."""
        self._ended = True
        self._may_send = False
        self._pass_on()

    def _say_goodbye(self) -> None:
        if self._may_send:
            self._may_send = False
            # It wants the other side's goodbye at once; that one may come later, or never.
            with contextlib.suppress(ssl.SSLError):
                self._tls.unwrap()
            self._pass_on()

    def _pass_on(self) -> None:
        if self._outgoing.pending:
            self._line.send_nowait(self._outgoing.read())
