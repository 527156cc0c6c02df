"""A node's certificate for the tests, and a client that shows what it sends byte by byte."""

from __future__ import annotations

import contextlib
import socket
import ssl
from pathlib import Path

import trio
import trio.testing

from actors.tls import TlsTransport
from actors.transport import SocketTransport
from bench.authority import THIS_MACHINE, Authority, Pair
from ops.tls_files import TlsFiles


class Secured:
    """An authority, and the files of a node that it has certified.

    Args:
      folder: where they lie.
      demanding: clients have to show certificates of the authority.
    """

    def __init__(self, folder: Path, *, demanding: bool = False) -> None:
        self.folder = folder
        self.authority = Authority()
        self.pair = self.certify("node")
        client_ca = folder / "ca.pem"
        client_ca.write_bytes(self.authority.pem)
        self.files = TlsFiles(
            self.pair.certificate, self.pair.key, client_ca if demanding else None
        )

    def certify(self, subject: str) -> Pair:
        """Write a certificate for a node on this machine."""
        return self.authority.certify(self.folder, subject, *THIS_MACHINE)

    def terminal(self, subject: str, *names: str) -> ssl.SSLContext:
        """Return the rules of a client that shows a certificate."""
        return self.authority.trusted(self.authority.certify(self.folder, subject, *names))


class Peer:
    """The other end of a connection: TLS on one side, the bytes of the socket on the other."""

    def __init__(
        self,
        sock: socket.socket,
        context: ssl.SSLContext,
        session: ssl.SSLSession | None = None,
    ) -> None:
        sock.settimeout(0)
        self.sock = sock
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(
            self._incoming, self._outgoing, server_hostname="localhost", session=session
        )

    def sealed(self) -> bytes:
        """Return what TLS wants to be sent."""
        return self._outgoing.read()

    def seal(self, data: bytes) -> bytes:
        """Return data as it goes over the connection."""
        self.tls.write(data)
        return self.sealed()

    async def send(self, data: bytes) -> None:
        """Send bytes of the connection."""
        view = memoryview(data)
        while view:
            await trio.lowlevel.wait_writable(self.sock)
            view = view[self.sock.send(view) :]

    async def shake_hands(self, *, at_once: int = 1_000_000, then: bytes = b"") -> None:
        """Do the handshake, so many bytes at a time, and say something with its last ones."""
        while True:
            done = False
            with contextlib.suppress(ssl.SSLWantReadError):
                self.tls.do_handshake()
                done = True
            data = self.sealed() + (self.seal(then) if done and then else b"")
            await self._send_in_pieces(data, at_once)
            if done:
                return
            await self.hear()

    async def _send_in_pieces(self, data: bytes, at_once: int) -> None:
        for start in range(0, len(data), at_once):
            await self.send(data[start : start + at_once])
            await trio.testing.wait_all_tasks_blocked()

    async def hear(self) -> bytes:
        """Wait for bytes of the connection and hand them to TLS; return them."""
        await trio.lowlevel.wait_readable(self.sock)
        data = self.sock.recv(65_536)
        self.feed(data)
        return data

    def feed(self, data: bytes) -> None:
        """Hand bytes of the connection to TLS."""
        self._incoming.write(data)

    async def receive(self) -> bytes:
        """Wait for what is said under TLS; nothing once it has said goodbye.

        Raises:
          ssl.SSLError: it sent an alert.
        """
        while True:
            with contextlib.suppress(ssl.SSLWantReadError):
                try:
                    return self.tls.read(65_536)
                except ssl.SSLZeroReturnError:
                    return b""
            assert await self.hear(), "it ended without a goodbye"

    async def wait_end(self) -> bytes:
        """Wait until the connection ends; return the bytes that came before."""
        heard = b""
        while True:
            await trio.lowlevel.wait_readable(self.sock)
            try:
                data = self.sock.recv(65_536)
            except ConnectionResetError:
                return heard
            if not data:
                return heard
            heard += data


def lines(unsent_bytes_max: int) -> tuple[SocketTransport, socket.socket]:
    """Return a transport and the other end of its connection."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        other = socket.create_connection(server.getsockname())
        ours, _ = server.accept()
    return SocketTransport(ours, unsent_bytes_max=unsent_bytes_max), other


async def shaken(
    line: SocketTransport, other: socket.socket, secured: Secured
) -> tuple[TlsTransport, ssl.SSLSocket]:
    """Put TLS around both ends of a connection."""
    transport = TlsTransport(line, secured.files.load())
    context = secured.authority.trusted()
    ends: list[ssl.SSLSocket] = []

    def shake_hands() -> None:
        end = context.wrap_socket(other, server_hostname="localhost")
        end.sendall(b"shaken")
        ends.append(end)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(trio.to_thread.run_sync, shake_hands)
        assert await transport.receive() == b"shaken"
    return transport, ends[0]
