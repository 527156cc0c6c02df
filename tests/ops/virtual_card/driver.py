"""The driver's side of a virtual reader, for tests without pcscd: it listens, and cards come."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread
from typing import Final

from ops.virtual_card.vpcd import VpcdSlot

WAIT_S: Final = 10.0


class Driver:
    """One slot of a reader."""

    def __init__(self, port: int = 0) -> None:
        self._listener = socket.create_server(("127.0.0.1", port))
        self._listener.settimeout(WAIT_S)
        self._connection: socket.socket | None = None

    @property
    def port(self) -> int:
        port: int = self._listener.getsockname()[1]
        return port

    def accept(self) -> None:
        """Wait until a card comes."""
        self._connection, _ = self._listener.accept()
        self._connection.settimeout(WAIT_S)

    def say(self, message: bytes) -> None:
        """Send length and body apart, as the real driver does."""
        assert self._connection is not None
        self._connection.sendall(len(message).to_bytes(2, "big"))
        self._connection.sendall(message)

    def raw(self, data: bytes) -> None:
        assert self._connection is not None
        self._connection.sendall(data)

    def hear(self) -> bytes | None:
        """Return the card's answer; None if it has left."""
        head = self._exactly(2)
        return head and self._exactly(int.from_bytes(head, "big"))

    def ask(self, message: str) -> str | None:
        self.say(bytes.fromhex(message))
        answer = self.hear()
        return None if answer is None else answer.hex().upper()

    def leave(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def break_off(self) -> None:
        """Leave so that the card's next word, or wait, fails."""
        assert self._connection is not None
        at_once = (1).to_bytes(4, "little") + bytes(4)
        self._connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, at_once)
        self.leave()

    def close(self) -> None:
        self.leave()
        self._listener.close()

    def _exactly(self, count: int) -> bytes | None:
        assert self._connection is not None
        data = b""
        while len(data) < count:
            part = self._connection.recv(count - len(data))
            if not part:
                return None
            data += part
        return data


@contextmanager
def driver(port: int = 0) -> Iterator[Driver]:
    made = Driver(port)
    try:
        yield made
    finally:
        made.close()


@contextmanager
def running(slot: VpcdSlot) -> Iterator[Thread]:
    """Run a slot in a thread, which is over when the body is."""
    thread = Thread(target=slot.run)
    thread.start()
    try:
        yield thread
    finally:
        slot.stop()
        thread.join(WAIT_S)
        assert not thread.is_alive()
